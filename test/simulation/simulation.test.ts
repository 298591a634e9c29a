import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { PLANTS } from "./plants.ts";

/** The command that people replay a failing seed with: what passes there passes here. */
const SIMULATE = fileURLToPath(new URL("../../hack/simulate/main.ts", import.meta.url));
const HISTORIES = 10_000;
/** Each is a process of its own, so that both cores of a small machine are used. */
const PROCESSES = 2;
/** A planted bug that takes longer to be found is one that the simulation does not find. */
const FOUND_WITHIN = 1_000;

async function simulate(...args: string[]): Promise<{ code: number; output: string }> {
  const run = promisify(execFile)(process.execPath, [SIMULATE, ...args]);
  return run.then(
    ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
    ({ code, stdout, stderr }) => ({ code, output: stdout + stderr }),
  );
}

test(`${HISTORIES} histories under faults keep every promise`, { timeout: 1_800_000 }, async () => {
  const seeds = HISTORIES / PROCESSES;
  const parts = Array.from({ length: PROCESSES }, (_, part) =>
    simulate("--from", String(1 + part * seeds), "--seeds", String(seeds)),
  );
  for (const { code, output } of await Promise.all(parts)) {
    expect(output).toContain(`${seeds} histories, 0 failed`);
    expect(code).toBe(0);
    // Not by doing nothing: on average each had sessions, crashes and backups.
    const [, sessions, agents, snapshots] = /; (\d+) sessions, (\d+) agents, (\d+) snapshots/.exec(output) ?? [];
    expect(Number(sessions)).toBeGreaterThan(seeds);
    expect(Number(agents)).toBeGreaterThan(1.5 * seeds);
    expect(Number(snapshots)).toBeGreaterThan(seeds);
  }
});

test("a seed is one history, to the last line of its trace", { timeout: 120_000 }, async () => {
  const [first, second] = await Promise.all([1, 2].map(() => simulate("--seed", "42", "--trace")));
  const trace = ({ output }: { output: string }) => output.replace(/\S+ ms of CPU.*/, "");
  expect(trace(first!)).toBe(trace(second!));
  expect(first!.output).toContain("restic begins");
});

describe("a bug planted on purpose is found", () => {
  test.each(Object.keys(PLANTS))("%s", { timeout: 600_000 }, async (plant) => {
    const { code, output } = await simulate("--plant", plant, "--seeds", String(FOUND_WITHIN), "--stop-at-first");
    expect(output).toMatch(new RegExp(`seed \\d+ does not hold \\(.*--plant ${plant} --seed \\d+ --trace\\)`));
    expect(code).toBe(1);
  });
});
