import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { HoldfastError } from "#base/errors.ts";
import type { Order, Programs, Reply, Request } from "./messages.ts";

/** The owner's end of the channel to its supervisor. */
export class Supervisor {
  /** The control plane's private folder. */
  directory = "";
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, (error: string | undefined, directory: string | undefined) => void>();
  #lastID = 0;

  private constructor(child: ChildProcess, report: (line: string) => void) {
    this.#child = child;
    child.on("message", (message: Reply) => {
      if (message.type === "done") return this.#pending.get(message.id)?.(message.error, message.directory);
      report(
        `cluster: ${message.server} ended by itself; the control plane is taken down. Its last lines:\n${message.log}`,
      );
    });
    child.on("exit", (code, signal) => {
      for (const settle of this.#pending.values())
        settle(`its supervisor ended (${signal ?? `exit code ${code}`})`, undefined);
    });
  }

  /** Starts a supervisor and, through it, the servers; resolves when the control plane is ready. */
  static async start(programs: Programs, standing: boolean, report: (line: string) => void): Promise<Supervisor> {
    const { NODE_OPTIONS: _, ...environment } = process.env;
    const child = fork(fileURLToPath(new URL("supervisor.ts", import.meta.url)), {
      // A session of its own: Ctrl-C at the owner's terminal reaches the owner alone, and cleaning up is not cut short.
      detached: true,
      execArgv: [],
      env: environment,
      // Nothing of the owner's may stay open in it: whoever reads the owner's output waits for its end.
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    const supervisor = new Supervisor(child, report);
    try {
      supervisor.directory = (await supervisor.#ask({ type: "start", programs, standing })) ?? "";
    } catch (error) {
      await supervisor.stop();
      throw error;
    }
    child.unref();
    child.channel?.unref();
    return supervisor;
  }

  async order(order: Order): Promise<void> {
    await this.#ask(order);
  }

  /** Resolves when the supervisor has removed everything and ended. */
  async stop(): Promise<void> {
    if (this.#ended()) return;
    const exit = once(this.#child, "exit");
    this.#child.ref();
    if (this.#child.connected) this.#child.disconnect();
    this.#child.kill("SIGTERM");
    await exit;
  }

  /** Lets the supervisor and its control plane outlive this process. */
  release(): void {
    this.#child.disconnect();
  }

  #ask(order: Order): Promise<string | undefined> {
    if (this.#ended() || !this.#child.connected) {
      return Promise.reject(new HoldfastError("cluster/stopped", "the control plane is not up any more"));
    }
    const id = ++this.#lastID;
    this.#child.channel?.ref();
    return new Promise((resolve, reject) => {
      this.#pending.set(id, (error, directory) => {
        this.#pending.delete(id);
        if (this.#pending.size === 0) this.#child.channel?.unref();
        if (error === undefined) resolve(directory);
        else reject(new HoldfastError("cluster/failed", `the control plane: ${error}`));
      });
      const request: Request = { id, order };
      this.#child.send(request);
    });
  }

  #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}
