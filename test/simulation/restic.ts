import { between, type Random } from "#base/random.ts";
import type { Disk } from "./disk.ts";
import type { SimProcess } from "./process.ts";
import { Child, Input, type Programs } from "./programs.ts";
import type { Timeline } from "./timeline.ts";

export const REPOSITORY_ID = "5f".repeat(32);

/** A repository as restic lists it. It outlives every machine. */
export interface SavedSnapshot {
  readonly id: string;
  readonly time: string;
  readonly tags: readonly string[];
  readonly hostname: string;
  /** Some files could not be read, and the shim has recorded that restic said so. */
  partial: boolean;
}

/** One restic behind its shim. */
interface Group {
  readonly pid: number;
  readonly startTime: string;
  readonly run: string;
  readonly folder: string;
  state: "waits" | "runs" | "records" | "over";
  interrupted: boolean;
  end: (code: number | undefined) => void;
}

export interface ResticOptions {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly disk: Disk;
  readonly repository: SavedSnapshot[];
  /** Wall time by the API server's clock. */
  readonly now: () => number;
  /** A restic of this run began in this folder; it is the same for one attempt and step. */
  readonly onStart: (run: string, folder: string) => void;
  /** Its shim was started, and waits for the word to begin it. */
  readonly onShim: (run: string) => void;
  /** How long it takes and how it ends; undefined: it dies and nobody records how. */
  readonly fate: () => { ms: number; code: number | undefined };
}

/** Restics as the agent sees them: they run for a while, go on when the agent dies, and their shim records their exit. */
export class Restics implements Programs {
  readonly #options: ResticOptions;
  readonly #groups = new Map<number, Group>();
  #lastPid = 1000;

  constructor(options: ResticOptions) {
    this.#options = options;
    options.disk.stat = (pid) => {
      const group = this.#groups.get(pid);
      if (group === undefined || group.state === "over") return undefined;
      return `${pid} (sh) S ${Array.from({ length: 18 }, () => "0").join(" ")} ${group.startTime} 0`;
    };
  }

  /** Folders of the restics that live. */
  get living(): string[] {
    return [...this.#groups.values()].filter(({ state }) => state === "runs").map(({ folder }) => folder);
  }

  spawn(parent: SimProcess, command: string, argv: readonly string[], env: NodeJS.ProcessEnv): Child {
    return command === "/bin/sh" ? this.#shim(parent, argv, env) : this.#question(parent, argv);
  }

  signal(pid: number, signal: NodeJS.Signals | 0): void {
    const group = this.#groups.get(pid);
    if (group === undefined || group.state === "over") throw Object.assign(new Error("ESRCH"), { code: "ESRCH" });
    if (signal === 0) return;
    if (signal === "SIGKILL") group.end(undefined);
    else if (!group.interrupted) {
      group.interrupted = true;
      // A shim that has not begun has nothing to wait for, but its trap keeps it reading.
      if (group.state === "runs") this.#in(between(this.#options.random, 5, 3000), () => group.end(130));
    }
  }

  /** The machine loses its power, or its kernel takes the memory back: nobody records anything. */
  killAll(): void {
    for (const group of this.#groups.values()) if (group.state !== "over") group.end(undefined);
  }

  #in(ms: number, run: () => void): void {
    this.#options.timeline.at(ms, run);
  }

  #shim(parent: SimProcess, argv: readonly string[], env: NodeJS.ProcessEnv): Child {
    const [, , , folder = "", , ...args] = argv;
    const { timeline, random } = this.#options;
    const pid = ++this.#lastPid;
    const startTime = String(Math.floor(timeline.now / 10) + 1);
    const run = /\/run-([^/]+)\//.exec(folder)?.[1] ?? "";
    const group: Group = { pid, startTime, run, folder, state: "waits", interrupted: false, end: () => {} };
    this.#groups.set(pid, group);
    this.#options.onShim(run);
    const exit = () => {
      if (group.state === "over") return;
      group.state = "over";
      this.#in(1, () => parent.enter(() => child.emit("exit")));
    };
    group.end = exit;
    const stdin = new Input((text) => {
      if (group.state !== "waits") return;
      if (text === undefined) exit();
      else
        this.#in(between(random, 1, 20), () => group.state === "waits" && this.#begin(group, folder, args, env, exit));
    });
    const child = new Child(pid, stdin, () => {});
    // A pipe whose writer has died says end of file.
    this.#in(50, () => {
      if (!parent.alive && group.state === "waits") exit();
    });
    return child;
  }

  #begin(group: Group, folder: string, args: readonly string[], env: NodeJS.ProcessEnv, exit: () => void): void {
    const { disk, random, repository, onStart, fate, now } = this.#options;
    group.state = "runs";
    onStart(group.run, folder);
    disk.makeFolder(`${env["RESTIC_CACHE_DIR"] ?? "/cache"}/${REPOSITORY_ID}`);
    const stdout = `${folder}/stdout`;
    const backup = args[0] === "backup";
    let over = false;
    group.end = (code) => {
      if (over) return;
      over = true;
      if (code === undefined) return exit();
      // restic is gone; its shim has yet to record that.
      group.state = "records";
      const good = code === 0 || code === 3;
      let saved: SavedSnapshot | undefined;
      if (good && backup && !args.includes("--dry-run")) {
        const id = hex(random, 64);
        const tags = valuesOf(args, "--tag=");
        const hostname = valuesOf(args, "--host=")[0] ?? "";
        saved = { id, time: new Date(now()).toISOString(), tags, hostname, partial: false };
        repository.push(saved);
        disk.append(stdout, `${JSON.stringify({ message_type: "summary", ...COUNTS, snapshot_id: id })}\n`);
      } else if (good) disk.append(stdout, `${JSON.stringify({ message_type: "summary", ...RESTORED })}\n`);
      else {
        const message = code === 130 ? "signal interrupt received" : "Fatal: unable to save: the disk smells of smoke";
        disk.append(`${folder}/stderr`, `${JSON.stringify({ message_type: "exit_error", code, message })}\n`);
      }
      // The shim: what restic saved is saved, whether or not its exit is ever recorded.
      this.#in(between(random, 0, 20), () => {
        if (group.state === "over") return;
        for (const output of [stdout, `${folder}/stderr`]) disk.sync(output);
        disk.write(`${folder}/exit`, Buffer.from(`${code}\n`), true);
        if (saved !== undefined) saved.partial = code === 3;
        this.#in(between(random, 0, 5), exit);
      });
      group.end = exit;
    };
    const { ms, code } = fate();
    this.#in(ms * 0.3, () => {
      if (!over)
        disk.append(stdout, `${JSON.stringify({ message_type: "status", percent_done: 0.3, bytes_done: 30 })}\n`);
    });
    this.#in(ms, () => group.end(code));
  }

  /** `cat config`, `snapshots` and `list locks`: a child that answers and ends. */
  #question(parent: SimProcess, argv: readonly string[]): Child {
    const { random, repository } = this.#options;
    let over = false;
    const finish = (code: number | null, text: string) => {
      if (over) return;
      over = true;
      parent.enter(() => {
        if (text !== "") child.stdout.emit("data", Buffer.from(text));
        child.emit("close", code);
      });
    };
    const child: Child = new Child(undefined, new Input(() => {}), () => this.#in(1, () => finish(null, "")));
    this.#in(between(random, 20, 400), () => {
      if (argv[0] === "snapshots") {
        const wanted = valuesOf(argv, "--tag=").flatMap((tags) => tags.split(","));
        const found = repository.filter(({ tags }) => wanted.every((tag) => tags.includes(tag)));
        finish(0, JSON.stringify(found));
      } else if (argv[0] === "cat") finish(0, JSON.stringify({ version: 2, id: REPOSITORY_ID }));
      else finish(0, "");
    });
    return child;
  }
}

const COUNTS = { files_new: 2, files_changed: 1, files_unmodified: 7, total_files_processed: 10, data_added: 512 };
const RESTORED = { total_files: 10, files_restored: 10, total_bytes: 100, bytes_restored: 100 };

function valuesOf(argv: readonly string[], flag: string): string[] {
  return argv.filter((argument) => argument.startsWith(flag)).map((argument) => argument.slice(flag.length));
}

function hex(random: Random, digits: number): string {
  let text = "";
  while (text.length < digits)
    text += Math.floor(random.next() * 2 ** 32)
      .toString(16)
      .padStart(8, "0");
  return text.slice(0, digits);
}
