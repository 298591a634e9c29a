import { systemClock } from "#base/clock.ts";

const started = systemClock.monotonic();

/** Seconds since the demo began, for the margin. */
function elapsed(): string {
  return `${((systemClock.monotonic() - started) / 1000).toFixed(1).padStart(6)}s`;
}

/** A chapter of the demo. */
export function chapter(title: string): void {
  console.log(`\n── ${title} ${"─".repeat(Math.max(3, 96 - title.length))}`);
}

/** One thing that happened. */
export function say(text: string): void {
  console.log(`${elapsed()}  ${text}`);
}

/** What a command printed, set in. */
export function show(command: string, output: string): void {
  console.log(`${elapsed()}  $ ${command}`);
  for (const line of output.trimEnd().split("\n")) console.log(`          ${line}`);
}
