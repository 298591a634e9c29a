import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import type { LinkStatus } from "../link/link.ts";

const FILE = "health.json";
/** How often a running agent says that it runs. */
export const HEALTH_INTERVAL_MS = 10_000;
/** An agent that has said nothing for this long hangs or is gone. */
const STALE_MS = 60_000;

const health = z.object({
  pid: z.int(),
  /** Milliseconds since 1970, as all times here. */
  written: z.number(),
  connected: z.boolean(),
  since: z.number(),
  lastContact: z.number().optional(),
  reason: z.string(),
  configID: z.string().optional(),
});

/** Replaces the file as a whole, so that a reader never sees half of it; it need not survive a power cut. */
export function writeHealth(stateDir: string, status: LinkStatus, configID: string | undefined, now: number): void {
  const { connected, since, lastContact, reason } = status;
  const value: z.infer<typeof health> = {
    pid: process.pid,
    written: now,
    connected,
    since,
    lastContact,
    reason,
    configID,
  };
  writeFileSync(`${stateDir}/${FILE}.new`, JSON.stringify(value), { mode: 0o600 });
  renameSync(`${stateDir}/${FILE}.new`, `${stateDir}/${FILE}`);
}

/** What the agent on this state folder last said, judged at `now`: a sentence and whether it runs. */
export function readHealth(stateDir: string, now: number): { runs: boolean; connected: boolean; sentence: string } {
  let text: string;
  try {
    text = readFileSync(`${stateDir}/${FILE}`, "utf8");
  } catch {
    return { runs: false, connected: false, sentence: `no agent has run on ${stateDir}: start holdfast-agent run` };
  }
  const { connected, since, lastContact, reason, configID, written } = health.parse(JSON.parse(text));
  const time = (ms: number) => new Date(ms).toISOString();
  const age = now - written;
  if (Math.abs(age) > STALE_MS) {
    const sentence = `the agent does not run: it last wrote at ${time(written)}; its log says why it ended`;
    return { runs: false, connected: false, sentence };
  }
  const link = connected
    ? `connected since ${time(since)}, last contact ${time(lastContact ?? since)}`
    : `not connected since ${time(since)} (${reason}); schedules go on`;
  return {
    runs: true,
    connected,
    sentence: `runs, ${link}, ${configID === undefined ? "no configuration yet" : `configuration ${configID}`}`,
  };
}
