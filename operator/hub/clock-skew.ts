import type { SessionFacts } from "./ports.ts";

const WARN_MS = 30_000;
const OFF_MS = 300_000;
/** A class is left only well below its threshold: a skew that trembles around one must not become writes. */
const LEAVE = 0.8;

/** The class of a clock `skewMs` away from ours, coming from class `before`. */
export function clockClass(skewMs: number, before: SessionFacts["clock"]["state"]): SessionFacts["clock"]["state"] {
  const size = Math.abs(skewMs);
  if (size > (before === "off" ? OFF_MS * LEAVE : OFF_MS)) return "off";
  if (size > (before === "in-sync" ? WARN_MS : WARN_MS * LEAVE)) return "warn";
  return "in-sync";
}
