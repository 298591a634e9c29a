import { afterAll, beforeAll } from "vitest";
import WebSocket from "ws";
import { TICKET_HEADER } from "#protocol/enroll.ts";
import { agentFacts, helloFrame, runRecord } from "#protocol/fixtures.ts";
import type { AgentFrame, Hello, ServerFrame } from "#protocol/frames.ts";
import { READS_LOGS } from "#protocol/limits.ts";
import type { RunRecord } from "#protocol/record.ts";
import type { TestNamespace } from "../namespace.ts";
import { createToken, credentialOf, enroll, type Machine, machine } from "./operator-http.ts";
import { type OperatorProcess, startOperator, until } from "./operator-process.ts";

type FrameOf<T extends ServerFrame["type"]> = Extract<ServerFrame, { type: T }>;

/** A bare WebSocket client that speaks the agents' protocol. */
export interface RawAgent {
  readonly socket: WebSocket;
  /** What was received and not yet taken. */
  readonly frames: ServerFrame[];
  /** The close code. */
  readonly closed: Promise<number>;
  send(frame: AgentFrame): void;
  /** Takes the first frame of this type, waiting for it. */
  next<T extends ServerFrame["type"]>(type: T): Promise<FrameOf<T>>;
}

export interface EnrolledMachine {
  readonly who: Machine;
  readonly uid: string;
  readonly name: string;
  readonly ticket: string;
}

/** Machines of one test file and their connections. */
export class RawAgents {
  readonly #at: TestNamespace;
  readonly #operator: () => OperatorProcess;
  readonly #open = new Set<RawAgent>();
  #tokens = 0;

  constructor(at: TestNamespace, operator: () => OperatorProcess) {
    this.#at = at;
    this.#operator = operator;
  }

  async enrol(hostname: string): Promise<EnrolledMachine> {
    const who = machine(hostname);
    const token = await createToken(this.#at, `token-${++this.#tokens}`);
    const { answer, message } = await enroll(this.#operator(), token, who);
    if (answer === undefined) throw new Error(`${hostname} could not enrol: ${message}`);
    return { who, uid: answer.host.uid, name: answer.host.name, ticket: answer.ticket };
  }

  /** The agent's end of an accepted upgrade, or the HTTP status of a refused one. */
  async connect(who: Machine, ticket?: string): Promise<RawAgent | number> {
    const headers = {
      authorization: `Bearer ${credentialOf(this.#at.namespace, who)}`,
      ...(ticket === undefined ? {} : { [TICKET_HEADER]: ticket }),
    };
    const { url, ca } = this.#operator();
    const socket = new WebSocket(`${url.replace("https:", "wss:")}/v1/agent`, {
      ca,
      headers,
      perMessageDeflate: false,
    });
    const frames: ServerFrame[] = [];
    socket.on("message", (data) => frames.push(JSON.parse(String(data))));
    const closed = new Promise<number>((resolve) => socket.once("close", resolve));
    const refused = await new Promise<number | undefined>((resolve, reject) => {
      socket.once("open", () => resolve(undefined));
      socket.once("unexpected-response", (_request, response) => resolve(response.statusCode));
      socket.once("error", reject);
    });
    if (refused !== undefined) {
      socket.on("error", () => {});
      socket.terminate();
      return refused;
    }
    const agent: RawAgent = {
      socket,
      frames,
      closed,
      send: (frame) => socket.send(JSON.stringify(frame)),
      next: <T extends ServerFrame["type"]>(type: T) =>
        until(`a ${type} frame`, () => {
          const index = frames.findIndex((frame) => frame.type === type);
          return index < 0 ? undefined : (frames.splice(index, 1)[0] as FrameOf<T>);
        }),
    };
    this.#open.add(agent);
    return agent;
  }

  /** Connects and says hello. */
  async session(of: EnrolledMachine, more: Partial<Pick<Hello, "nonce" | "highestEpoch" | "config">> = {}) {
    const agent = await this.connection(of);
    return { agent, ...(await this.greet(agent, of, more)) };
  }

  /** Connects, which must be granted. */
  async connection(of: EnrolledMachine): Promise<RawAgent> {
    const agent = await this.connect(of.who, of.ticket);
    if (typeof agent === "number") throw new Error(`the operator answered ${agent}`);
    return agent;
  }

  /** Says hello. `answer`: the first hello_ack or error. */
  async greet(
    agent: RawAgent,
    of: EnrolledMachine,
    more: Partial<Pick<Hello, "nonce" | "highestEpoch" | "config">> = {},
  ) {
    const facts = agentFacts({ hostname: of.name, capabilities: ["backup", READS_LOGS] });
    agent.send(helloFrame({ hostUID: of.uid, bootID: "boot-1", agent: facts, ...more }));
    const answer = await until("an answer to hello", () => {
      const index = agent.frames.findIndex(({ type }) => type === "hello_ack" || type === "error");
      return index < 0 ? undefined : agent.frames.splice(index, 1)[0];
    });
    return { ack: answer as FrameOf<"hello_ack">, answer };
  }

  /** Cuts all connections. */
  cut(): void {
    for (const agent of this.#open) agent.socket.terminate();
    this.#open.clear();
  }
}

/** Call it at the top of a test file: an operator that works in `at`, and agents for it, until its tests are over. */
export function testOperator(at: TestNamespace, settings?: () => Promise<Record<string, string>>) {
  let operator: OperatorProcess;
  const agents = new RawAgents(at, () => operator);
  beforeAll(async () => {
    operator = await startOperator(at.cluster, at.namespace, await settings?.());
  });
  afterAll(async () => {
    agents.cut();
    await operator?.stop("SIGKILL");
  });
  return { agents, operator: () => operator };
}

type Subject = { readonly name: string; readonly uid: string };

/** What an agent says of a run that succeeded, or what `more` makes of it. */
export function recordOf(run: Subject, policy: Subject, more: Partial<RunRecord> = {}): RunRecord {
  const { uid, name } = policy;
  return runRecord({ uid: run.uid, name: run.name, policy: { uid, name }, ...more });
}
