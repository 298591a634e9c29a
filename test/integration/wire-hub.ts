import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { Registry } from "prom-client";
import { WebSocket } from "ws";
import { type Clock, systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { helloFrame } from "#protocol/fixtures.ts";
import type { AgentFrame, ProgressFrame, ServerFrame } from "#protocol/frames.ts";
import type { Record } from "#protocol/record.ts";
import { nextEpoch } from "../../operator/hub/epoch.ts";
import { Gateway, type GatewayOptions } from "../../operator/hub/gateway.ts";
import type {
  AuthenticationRequest,
  CommandAnswer,
  Desired,
  HostIdentity,
  HubPorts,
  OpenedSession,
  OpenRequest,
  SessionFacts,
  WriteResult,
} from "../../operator/hub/ports.ts";
import type { Log } from "../../operator/kube/log.ts";
import { type Authority, certificates } from "./wire-certificates.ts";

export const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** The Kubernetes side in memory: one Host `backups/<name>` a credential `Bearer <name>`. */
class MemoryPorts implements HubPorts {
  /** By host name. */
  epochs = new Map<string, number>();
  wanted: Desired = { commands: [] };
  reports: { host: string; facts: SessionFacts }[] = [];
  progressed: ProgressFrame[] = [];
  answers: CommandAnswer[] = [];
  requests: AuthenticationRequest[] = [];
  write: (record: Record) => Promise<WriteResult> = async () => ({ result: "written" });
  written: Record[] = [];

  readonly authenticator = {
    vouched: ({ ticket }: AuthenticationRequest) => ticket,
    authenticate: async (request: AuthenticationRequest) => {
      this.requests.push(request);
      const name = /^Bearer (?:hfa_backups_)?([a-z0-9-]+)/.exec(request.authorization ?? "")?.[1];
      if (name === undefined || name === "nobody") {
        const message = "this credential is not known: enrol the machine again";
        return { refused: { status: 401 as const, code: "unauthorized" as const, message } };
      }
      return { host: { namespace: "backups", name, uid: `${name}-uid` }, stillHolds: async () => true };
    },
  };
  readonly store = {
    open: async ({ host, hello }: OpenRequest): Promise<OpenedSession> => {
      const epoch = nextEpoch(this.epochs.get(host.name) ?? 0, hello.highestEpoch);
      this.epochs.set(host.name, epoch);
      return { epoch, nonce: `nonce-${epoch}`, clusterID: "cluster" };
    },
    report: async (host: HostIdentity, epoch: number, facts: SessionFacts) => {
      if (epoch < (this.epochs.get(host.name) ?? 0)) return "superseded" as const;
      this.reports.push({ host: host.name, facts });
      return "written" as const;
    },
  };
  readonly desired = { desired: async () => this.wanted };
  readonly records = {
    write: async (_host: HostIdentity, record: Record) => {
      const result = await this.write(record);
      if (result.result === "written") this.written.push(record);
      return result;
    },
  };
  readonly progress = { report: (_host: HostIdentity, frame: ProgressFrame) => void this.progressed.push(frame) };
  readonly commands = { answered: (_host: HostIdentity, answer: CommandAnswer) => void this.answers.push(answer) };
}

type HubOptions = { clock?: Clock } & Pick<GatewayOptions, "admission" | "intake" | "writes">;

/** A gateway on an https server of its own on a free loopback port. */
export class TestHub implements AsyncDisposable {
  readonly ports = new MemoryPorts();
  readonly registry = new Registry();
  readonly gateway: Gateway;
  readonly authority: Authority;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #clients: WebSocket[] = [];

  static async start(options: HubOptions = {}): Promise<TestHub> {
    const hub = new TestHub(await certificates("hub test"), options);
    await new Promise<void>((resolve) => hub.#server.listen(0, "127.0.0.1", resolve));
    return hub;
  }

  private constructor(authority: Authority, options: HubOptions) {
    this.authority = authority;
    this.#server = createServer({ cert: authority.cert, key: authority.key });
    const { clock = systemClock, ...rest } = options;
    const { ports, registry } = this;
    this.gateway = new Gateway({ ports, clock, random: systemRandom, log: silent, registry, ...rest });
    this.gateway.attach(this.#server);
    this.#server.on("secureConnection", (socket) => this.#sockets.add(socket));
  }

  get address(): string {
    return `localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  get endpoint(): string {
    return `wss://${this.address}/v1/agent`;
  }

  /** A bare WebSocket with this credential, open. */
  async client(name: string, options: { autoPong?: boolean } = {}): Promise<TestClient> {
    const client = new TestClient(this.endpoint, this.authority.ca, name, options);
    this.#clients.push(client.socket);
    await client.opened;
    return client;
  }

  /** The network drops every connection. */
  cutAll(): void {
    this.#server.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
  }

  async metric(name: string): Promise<unknown> {
    return (await this.registry.getSingleMetric(name)?.get())?.values;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#clients) socket.terminate();
    await this.gateway.drain();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** An agent that does exactly what a test tells it. */
export class TestClient {
  readonly socket: WebSocket;
  readonly frames: ServerFrame[] = [];
  readonly opened: Promise<void>;
  readonly closed: Promise<{ code: number; reason: string }>;
  #waiting: (() => void)[] = [];

  constructor(endpoint: string, ca: string, name: string, options: { autoPong?: boolean }) {
    this.socket = new WebSocket(endpoint, { ca, headers: { authorization: `Bearer ${name}` }, ...options });
    this.opened = new Promise((resolve, reject) => {
      this.socket.once("open", resolve);
      this.socket.once("error", reject);
    });
    this.socket.on("message", (data) => {
      this.frames.push(JSON.parse(data.toString()) as ServerFrame);
      for (const check of this.#waiting) check();
    });
    this.closed = new Promise((resolve) => {
      this.socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  send(frame: AgentFrame): void {
    this.socket.send(JSON.stringify(frame));
  }

  hello(): Promise<Extract<ServerFrame, { type: "hello_ack" }>> {
    this.send(helloFrame());
    return this.frame("hello_ack");
  }

  /** The first frame of this type, or the `count`-th. */
  frame<T extends ServerFrame["type"]>(type: T, count = 1): Promise<Extract<ServerFrame, { type: T }>> {
    return new Promise((resolve) => {
      const check = () => {
        const found = this.frames.filter((frame) => frame.type === type)[count - 1];
        if (found) resolve(found as Extract<ServerFrame, { type: T }>);
      };
      this.#waiting.push(check);
      check();
    });
  }
}
