import { type DestinationStream, pino } from "pino";
import type { Log } from "../log.ts";

const SECRETS = ["credential", "token", "ticket", "nonce", "password", "authorization", "env", "secret"];

/** JSON lines on standard output. What bears a secret's name is blanked, should it ever get here. */
export function createLog(level: "debug" | "info" | "warn" | "error", destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: "[redacted]" },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
