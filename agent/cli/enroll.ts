import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { arch, hostname, type } from "node:os";
import { systemClock } from "#base/clock.ts";
import { HoldfastError } from "#base/errors.ts";
import { type EnrollResponse, enrollResponse, formatCredential, parseToken } from "#protocol/enroll.ts";
import { RELEASE } from "#protocol/version.ts";
import type { Identity } from "../link/core.ts";
import { errorMessage } from "../link/dial.ts";
import { authorityByPin } from "../link/pin.ts";
import { openState, type State } from "../state/state.ts";
import type { Values } from "./arguments.ts";
import { createLog } from "./logger.ts";
import { credentialSecret, forgetPending } from "./pending-enrolment.ts";
import { postJSON } from "./post-json.ts";
import { readToken } from "./token.ts";

const MACHINE_ID = "/etc/machine-id";

interface EnrolOptions {
  state: State;
  /** https:// address of the operator. */
  server: URL;
  /** Of a key in the server's chain; absent: the system's authorities are trusted. */
  pin: string | undefined;
  token: string;
  /** Overrides the machine's own name. */
  hostname: string | undefined;
}

/**
 * Makes this machine a Host: proves the server, spends the token and stores the identity. Sends only the hash of the
 * credential. Throws with what to do; repeated after a lost answer it is the same enrolment.
 */
async function enrol({ state, server, pin, token, hostname: override }: EnrolOptions): Promise<Identity> {
  const { id } = parseToken(token)!;
  const authority = pin === undefined ? undefined : await authorityByPin(server, pin);
  const secret = credentialSecret(state.dir, id);
  const name = override ?? hostname();
  const { status, text } = await postJSON(
    new URL("/v1/enroll", server),
    {
      token,
      hostname: name,
      machineIDHash: sha256(`holdfast:${existsSync(MACHINE_ID) ? readFileSync(MACHINE_ID, "utf8").trim() : name}`),
      credentialHash: sha256(secret),
      os: type().toLowerCase(),
      arch: arch(),
      version: RELEASE,
    },
    authority,
  ).catch((error: unknown) => {
    throw new HoldfastError(
      "enroll/unreachable",
      "the enrolment was not answered; run the same command again, it is then the same enrolment",
      {
        cause: error,
      },
    );
  });
  if (status !== 200 && status !== 201) throw refusal(server, status, text);
  const answer = parseAnswer(server, text);
  const before = state.identity.read();
  const identity: Identity = {
    host: answer.host,
    clusterID: answer.clusterID,
    endpoint: answer.endpoint,
    // The pinned one may be an ingress's, which the operator does not know of.
    ca: authority === undefined ? [] : [...new Set([authority, ...answer.ca].map((pem) => pem.trim()))],
    credential: formatCredential({ namespace: answer.host.namespace, host: answer.host.name, secret }),
    ticket: answer.ticket,
    highestEpoch: 0,
    ...(before?.host.uid === answer.host.uid && {
      highestEpoch: before.highestEpoch,
      ...(before.nonce === undefined ? {} : { nonce: before.nonce }),
    }),
  };
  state.identity.write(identity);
  forgetPending(state.dir);
  return identity;
}

function refusal(server: URL, status: number, text: string): HoldfastError {
  const message = errorMessage(text, "");
  if (message === "") {
    return new HoldfastError(
      "enroll/not-holdfast",
      `${server.host} answers ${status} and not as a Holdfast operator does: check --server`,
    );
  }
  return new HoldfastError("enroll/refused", `${server.host} refuses the enrolment (${status}): ${message}`);
}

function parseAnswer(server: URL, text: string): EnrollResponse {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const answer = enrollResponse.safeParse(value);
  if (answer.success && answer.data.endpoint.startsWith("wss://") && URL.canParse(answer.data.endpoint)) {
    return answer.data;
  }
  const why = answer.success ? "its endpoint is no wss:// address" : "its answer has another form";
  throw new HoldfastError(
    "enroll/bad-answer",
    `${server.host} is no Holdfast operator this agent (${RELEASE}) understands: ${why}. Check --server and the versions`,
  );
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

const LOCK_WAIT_MS = 3_000;

/** `holdfast-agent enroll`: reads the token, opens the state folder and enrols; returns what to print. */
export async function enrolHere(values: Values, stop: AbortSignal): Promise<string> {
  const { server, pin, stateDir, hostname } = values;
  const token = await readToken(values.tokenFile, process.stdin);
  const log = createLog(values.logLevel, process.stderr);
  const signal = AbortSignal.any([stop, AbortSignal.timeout(LOCK_WAIT_MS)]);
  const state = await openState({ dir: stateDir, clock: systemClock, log, signal }).catch((cause: unknown) => {
    if (!signal.aborted) throw cause;
    throw new HoldfastError("enroll/agent-runs", `an agent runs on ${stateDir}: stop it first`);
  });
  try {
    const present = state.identity.read();
    if (present && !values.again) {
      const { namespace, name } = present.host;
      return `Already enrolled as Host ${name} in namespace ${namespace}; --again enrols this machine anew.`;
    }
    const { host } = await enrol({ state, server: server!, pin, token, hostname });
    return `Enrolled as Host ${host.name} in namespace ${host.namespace}. Start the agent: holdfast-agent run`;
  } finally {
    state.close();
  }
}
