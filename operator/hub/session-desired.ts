import type { Config } from "#protocol/config.ts";
import { type AgentFrame, decodeServerFrame, type ServerFrame } from "#protocol/frames.ts";
import { MAX_FRAME_BYTES } from "#protocol/limits.ts";
import { Reason } from "#protocol/outcome.ts";
import type { Desired } from "./ports.ts";
import { setFacts } from "./session-facts.ts";
import { errorEffect, type SentConfig, type SessionEffect, type SessionState, type Step } from "./session-state.ts";

/** When an agent that could not write a configuration down is sent it again. */
const RETRY_MS = 60_000;

/** Asks what the agent should hold; while an answer is under way, once more after it. */
export function pull(state: SessionState): Step {
  if (state.phase !== "live") return [state, []];
  if (state.pull !== "idle") return [{ ...state, pull: "again" }, []];
  return [{ ...state, pull: "busy" }, [{ type: "pull", held: state.held }]];
}

/** Sends what the agent lacks of `desired`: the configuration first, because the commands may be about its policies. */
export function onDesired(state: SessionState, desired: Desired): Step {
  const asked = state.pull === "again";
  const [delivered, effects] = deliver({ ...state, pull: "idle" }, desired);
  if (!asked) return [delivered, effects];
  const [next, more] = pull(delivered);
  return [next, [...effects, ...more]];
}

function deliver(state: SessionState, desired: Desired): Step {
  if (state.phase !== "live") return [state, []];
  if (state.congested) return [{ ...state, congested: { ...state.congested, desired } }, []];
  const [configured, effects] = desired.config ? sendConfig(state, desired.config) : [state, []];
  const commands = new Set<string>();
  for (const command of desired.commands) {
    commands.add(command.id);
    if (state.commands.has(command.id)) continue;
    const frame: ServerFrame = { ...command, epoch: state.epoch };
    const message = unsendable(frame);
    if (message !== undefined) {
      effects.push({ type: "answered", answer: { id: command.id, state: "refused", message } });
    } else effects.push({ type: "send", frame });
  }
  return [{ ...configured, commands }, effects];
}

function sendConfig(state: SessionState, config: Config): Step {
  const current = state.config.sent.at(-1)?.id ?? state.facts.applied;
  const key = `${config.id} ${config.tombstones.join(" ")}`;
  if (config.id === state.facts.applied && config.id === current) return confirm(state);
  if (config.id === current || key === state.config.refusedKey) return [state, []];
  const frame: ServerFrame = { type: "config", epoch: state.epoch, config };
  if (tooLarge(frame)) {
    const message = `the host's configuration is over ${MAX_FRAME_BYTES} bytes as a frame; it keeps what it has. Give it fewer policies or shorter path and exclude lists`;
    const refused = { id: config.id, reason: "ConfigTooLarge", message };
    return setFacts({ ...state, config: { ...state.config, refusedKey: key } }, { ...state.facts, refused });
  }
  const sent: SentConfig = { id: config.id, key, policies: config.policies.map((policy) => policy.uid) };
  return [{ ...state, config: { ...state.config, sent: [...state.config.sent, sent] } }, [{ type: "send", frame }]];
}

/** What is desired is in force: has that said where the Host says otherwise, because of a configuration taken back or a late look. */
function confirm(state: SessionState): Step {
  const { refused, ...facts } = state.facts;
  const { pending, refusedKey: _, retryAt: __, ...config } = state.config;
  if (refused === undefined && pending !== true) return [state, []];
  return setFacts({ ...state, config }, facts);
}

/**
 * Why the agent could not take this command. The CRDs hold what is written to the bounds of the wire; should they ever
 * differ, a command that the agent can only call malformed would cost it its session, again after each reconnect.
 */
function unsendable(frame: ServerFrame): string | undefined {
  if (tooLarge(frame)) {
    return `the command is over ${MAX_FRAME_BYTES} bytes as a frame; shorten its include and exclude lists`;
  }
  const decoded = decodeServerFrame(JSON.stringify(frame));
  if (!("malformed" in decoded)) return undefined;
  return `the agent could not read it (${decoded.malformed}); write that otherwise, in another resource`;
}

function tooLarge(frame: ServerFrame): boolean {
  return Buffer.byteLength(JSON.stringify(frame)) > MAX_FRAME_BYTES;
}

export function onConfigApplied(state: SessionState, id: string): Step {
  const index = state.config.sent.findIndex((sent) => sent.id === id);
  const applied = state.config.sent[index];
  if (!applied) return [state, [errorEffect("unexpected", `config ${id} was not sent in this session`)]];
  const { refused: _, ...facts } = state.facts;
  const [next, effects] = setFacts(
    { ...state, held: applied.policies, config: { sent: state.config.sent.slice(index + 1) } },
    { ...facts, applied: id },
  );
  if (sameSet(state.held, applied.policies)) return [next, effects];
  const [pulled, more] = pull(next);
  return [pulled, [...effects, ...more]];
}

export function onConfigRefused(
  state: SessionState,
  { id, reason, message }: Extract<AgentFrame, { type: "config_refused" }>,
  now: number,
): Step {
  const refused = state.config.sent.find((sent) => sent.id === id);
  if (!refused) return [state, [errorEffect("unexpected", `config ${id} was not sent in this session`)]];
  // A full disk may not be full for long; what is wrong with the configuration itself stays so.
  const retry = reason === Reason.AgentError ? { retryAt: now + RETRY_MS } : {};
  const config = { sent: state.config.sent.filter((sent) => sent !== refused), refusedKey: refused.key, ...retry };
  return setFacts({ ...state, config }, { ...state.facts, refused: { id, reason, message } });
}

/** The time has come to send a refused configuration once more. */
export function retryRefused(state: SessionState): Step {
  const { refusedKey: _, retryAt: __, ...config } = state.config;
  return pull({ ...state, config });
}

/** The socket's buffer: too full, nothing large is added until it has drained. */
export function onBuffered(state: SessionState, full: boolean, now: number): Step {
  if (full) return [state.congested ? state : { ...state, congested: { since: now } }, []];
  const { congested, ...open } = state;
  const effects: SessionEffect[] = [];
  return congested?.desired ? deliver(open, congested.desired) : [congested ? open : state, effects];
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  const set = new Set(a);
  return set.size === new Set(b).size && b.every((item) => set.has(item));
}
