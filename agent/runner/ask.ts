import { spawn } from "node:child_process";
import type { Clock } from "#base/clock.ts";
import { nothingSeen, type Observation, observe } from "./observe.ts";

/** What a short, harmless question to restic brought: it reads and takes no lock, so it may be killed at any time. */
export interface Answer {
  /** Undefined where it did not answer in time. */
  code: number | undefined;
  stdout: string;
  seen: Observation;
}

/** restic itself would go on trying for 15 minutes; who asks can ask again. */
const RETRYING_MS = 5_000;
/** A snapshot is about 600 bytes of JSON; a list beyond this is refused rather than held in memory. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export function askRestic(options: {
  resticPath: string;
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  timeoutMs: number;
  clock: Clock;
  release: AbortSignal;
  show: (text: string) => string;
}): Promise<Answer> {
  return new Promise((resolve) => {
    const seen = nothingSeen();
    const child = spawn(options.resticPath, options.argv, {
      cwd: "/",
      env: options.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const kill = () => child.kill("SIGKILL");
    let cancelRetrying: (() => void) | undefined;
    const killIfRetrying = () => {
      if (seen.retrying !== undefined) kill();
      cancelRetrying = undefined;
    };
    const cancelTimeout = options.clock.after(options.timeoutMs, kill);
    options.release.addEventListener("abort", kill, { once: true });

    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) kill();
      else chunks.push(chunk);
    });
    let rest = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = (lines.pop() ?? "").slice(0, 64 * 1024);
      for (const text of lines) observe(seen, "stderr", text, options.clock.now(), options.show);
      if (seen.retrying !== undefined) cancelRetrying ??= options.clock.after(RETRYING_MS, killIfRetrying);
    });

    const finish = (code: number | undefined) => {
      cancelTimeout();
      cancelRetrying?.();
      options.release.removeEventListener("abort", kill);
      if (rest !== "") observe(seen, "stderr", rest, options.clock.now(), options.show);
      resolve({ code, stdout: Buffer.concat(chunks).toString("utf8"), seen });
    };
    child.once("error", (error) => {
      seen.errors.push(error.message);
      finish(127);
    });
    child.once("close", (code) => finish(code ?? undefined));
  });
}
