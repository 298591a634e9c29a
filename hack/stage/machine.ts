import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { HoldfastError } from "#base/errors.ts";
import { Process } from "./process.ts";

/** The agent's sources run by this Node. */
const SOURCES = [process.execPath, fileURLToPath(new URL("../../agent/main.ts", import.meta.url))];

/** What `holdfast-agent enroll` is told on a new machine: the keys of an EnrollmentToken's Secret. */
export interface Invitation {
  server: string;
  pin: string;
  token: string;
}

/** A machine: an agent with a state, a root folder and a name of its own. */
export class Machine {
  readonly name: string;
  /** The folder that holds all of it. */
  readonly folder: string;
  /** What the agent takes for `/`: every path of a policy and a restore lies below it. */
  readonly root: string;
  readonly agent: Process;
  readonly #command: readonly string[];

  /** `environment`: further HOLDFAST_* settings of the agent; `command`: how it is run. Nothing starts yet. */
  constructor(
    name: string,
    directory: string,
    restic: string,
    environment: Record<string, string> = {},
    command: readonly string[] = SOURCES,
  ) {
    this.name = name;
    this.#command = command;
    this.folder = join(directory, name);
    this.root = join(this.folder, "root");
    mkdirSync(this.root, { recursive: true });
    const runtime = join(this.folder, "run");
    mkdirSync(runtime, { recursive: true, mode: 0o700 });
    this.agent = new Process(
      [...command, "run"],
      {
        PATH: process.env["PATH"],
        // Not the machine's tmpfs: all of an agent that is killed in mid-run goes with its folder.
        XDG_RUNTIME_DIR: runtime,
        HOLDFAST_HOSTNAME: name,
        HOLDFAST_STATE_DIR: join(this.folder, "state"),
        HOLDFAST_CACHE_DIR: join(this.folder, "cache"),
        HOLDFAST_HOST_ROOT: this.root,
        HOLDFAST_RESTIC: restic,
        // A real fleet spreads its reconnects over two minutes; two agents need not.
        HOLDFAST_RECONNECT_FIRST: "100ms",
        HOLDFAST_RECONNECT_CAP: "2s",
        ...environment,
      },
      `${this.folder}.log`,
    );
  }

  /**
   * Runs `holdfast-agent enroll` and returns what it printed; throws that where it failed. The token goes over standard
   * input: arguments of a process are readable by every user of a machine.
   */
  enrol({ server, pin, token }: Invitation): Promise<string> {
    return new Promise((resolve, reject) => {
      const [program = "", ...args] = this.#command;
      args.push("enroll", "--server", server, "--pin", pin, "--token-file", "-");
      const child = spawn(program, args, { env: this.agent.environment, stdio: ["pipe", "pipe", "pipe"] });
      let output = "";
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8").on("data", (chunk: string) => {
          output += chunk;
        });
      child.stdin.on("error", () => {}); // It ended without reading: its exit code says why.
      child.on("error", reject);
      child.on("close", (code) => {
        if (code === 0) resolve(output.trim());
        else reject(new HoldfastError("stage/enrol", `${this.name}: ${output.trim()}`));
      });
      child.stdin.end(`${token}\n`);
    });
  }
}
