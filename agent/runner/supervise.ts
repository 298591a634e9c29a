import type { Clock } from "#base/clock.ts";
import { followLines } from "./follow.ts";
import type { Output } from "./lines.ts";
import { groupAlive, type ProcessID, signalGroup } from "./process.ts";
import { recordedExit, STDERR, STDOUT } from "./shim.ts";

/** restic needs up to 60 s to remove its lock when the repository does not answer (facts: A4). */
const KILL_AFTER_MS = 90_000;
const POLL_MS = 200;

/** How a supervised restic ended: `undefined` where it is gone and nobody recorded its exit. */
export interface Exit {
  code: number | undefined;
}

export interface Supervision {
  /** Rejects only when `release` aborts. */
  readonly exit: Promise<Exit>;
  /** SIGINT to the whole group, SIGKILL to it after 90 s. Asking twice does nothing more. */
  stop(): void;
}

/**
 * Watches a restic through its files and its process id alone, so that its own parent and an agent that adopted it do
 * the same. `release` lets go of it without touching it.
 */
export function supervise(options: {
  folder: string;
  process: ProcessID;
  bootID: string;
  clock: Clock;
  release: AbortSignal;
  onLine: (output: Output, text: string) => void;
  /** Resolves early where this agent started it and hears of its end. */
  ended?: Promise<void>;
}): Supervision {
  const { folder, clock, release } = options;
  const followers = [
    followLines(`${folder}/${STDOUT}`, (text) => options.onLine("stdout", text)),
    followLines(`${folder}/${STDERR}`, (text) => options.onLine("stderr", text)),
  ];
  let cancelKill: (() => void) | undefined;
  let wake = () => {};
  void options.ended?.then(() => wake());
  const letGo = () => wake();
  release.addEventListener("abort", letGo, { once: true });

  async function watch(): Promise<Exit> {
    try {
      for (;;) {
        release.throwIfAborted();
        // Alive before its files are read: whatever it wrote last is read after its end.
        const alive = groupAlive(options.process, options.bootID);
        const code = recordedExit(folder);
        const more = followers.map((follower) => follower.poll()).includes(true);
        if (!more && (code !== undefined || !alive)) {
          for (const follower of followers) follower.end();
          return { code: code ?? recordedExit(folder) };
        }
        await new Promise<void>((resolve) => {
          const cancel = clock.after(more ? 0 : POLL_MS, resolve);
          wake = () => {
            cancel();
            resolve();
          };
        });
      }
    } finally {
      cancelKill?.();
      // It lives as long as the agent: a listener left there would keep this restic's buffers for as long.
      release.removeEventListener("abort", letGo);
      for (const follower of followers) follower.close();
    }
  }

  /** What had this id before a reboot, or ended long ago, may have left it to a stranger. */
  function signal(name: NodeJS.Signals): void {
    if (groupAlive(options.process, options.bootID)) signalGroup(options.process.pid, name);
  }

  const exit = watch();
  return {
    exit,
    stop() {
      if (cancelKill !== undefined) return;
      signal("SIGINT");
      cancelKill = clock.after(KILL_AFTER_MS, () => signal("SIGKILL"));
    },
  };
}
