import { get } from "node:http";
import { text } from "node:stream/consumers";
import WebSocket from "ws";
import { systemClock } from "#base/clock.ts";
import { HoldfastError } from "#base/errors.ts";
import { listeningPorts } from "../bench/run/sockets.ts";
import { until } from "../stage/until.ts";

/** A session with the inspector of a Node process (the Chrome DevTools Protocol). */
export class Inspector implements AsyncDisposable {
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, (answer: { result?: unknown; error?: { message: string } }) => void>();
  /** Opened by us, and to be closed by us: whoever reaches it can do anything in the process. */
  readonly #opened: boolean;
  #calls = 0;

  private constructor(socket: WebSocket, opened: boolean) {
    this.#socket = socket;
    this.#opened = opened;
    socket.on("message", (data) => {
      const { id, ...answer } = JSON.parse(String(data));
      this.#answers.get(id)?.(answer);
      this.#answers.delete(id);
    });
  }

  /** `address`: host:port of an inspector that is open. */
  static async attach(address: string, opened = false): Promise<Inspector> {
    const [target] = await targets(address);
    if (target === undefined)
      throw new HoldfastError("profile/inspector", `at ${address} is no Node process to inspect`);
    const socket = new WebSocket(target.webSocketDebuggerUrl, { perMessageDeflate: false, maxPayload: 2 ** 30 });
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    return new Inspector(socket, opened);
  }

  /** Opens the inspector of a process of this machine, on loopback, as SIGUSR1 does in every Node. */
  static async open(pid: number): Promise<Inspector> {
    const before = new Set(listeningPorts(pid));
    process.kill(pid, "SIGUSR1");
    const port = await until(`process ${pid} opens its inspector (is another one at port 9229?)`, 10, async () =>
      listeningPorts(pid).find((each) => !before.has(each)),
    );
    return Inspector.attach(`127.0.0.1:${port}`, true);
  }

  async call<Result = object>(method: string, params: object = {}): Promise<Result> {
    const id = ++this.#calls;
    const answer = new Promise<{ result?: unknown; error?: { message: string } }>((resolve, reject) => {
      this.#answers.set(id, resolve);
      this.#socket.once("close", () => reject(new HoldfastError("profile/ended", "the profiled process has ended")));
    });
    this.#socket.send(JSON.stringify({ id, method, params }));
    const { result, error } = await answer;
    if (error !== undefined) throw new HoldfastError("profile/inspector", `${method}: ${error.message}`);
    return result as Result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // After this session: to close waits for those that are connected.
    const close = 'setTimeout(() => process.getBuiltinModule("node:inspector").close(), 50)';
    if (this.#opened && this.#socket.readyState === WebSocket.OPEN)
      await this.call("Runtime.evaluate", { expression: close });
    this.#socket.terminate();
    await systemClock.sleep(this.#opened ? 100 : 0);
  }
}

async function targets(address: string): Promise<{ webSocketDebuggerUrl: string }[]> {
  const body = await new Promise<string>((resolve, reject) => {
    const asked = get(`http://${address}/json/list`, { timeout: 5_000 }, (response) => resolve(text(response)));
    asked.on("timeout", () => asked.destroy(new Error("no answer within 5 s"))).on("error", reject);
  });
  return JSON.parse(body);
}
