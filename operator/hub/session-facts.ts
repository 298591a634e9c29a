import { clockClass } from "./clock-skew.ts";
import type { SessionFacts } from "./ports.ts";
import type { Moment, SessionState, Step } from "./session-state.ts";

/** Takes over new facts and has them reported; while a report is under way, after it and then all at once. */
export function setFacts(state: SessionState, facts: SessionFacts): Step {
  const next = { ...state, facts };
  if (state.phase !== "live" && state.phase !== "leaving") return [next, []];
  if (state.report !== "idle") return [{ ...next, report: "again" }, []];
  return [{ ...next, report: "busy" }, [{ type: "report", facts }]];
}

/** A report was written. */
export function onReported(state: SessionState): Step {
  if (state.report !== "again") return [{ ...state, report: "idle" }, []];
  return [{ ...state, report: "busy" }, [{ type: "report", facts: state.facts }]];
}

/** The agent's clock against ours; only a change of class is a fact worth a write. */
export function onWallTime(state: SessionState, wallTime: string, now: Moment): Step {
  const skewMs = Date.parse(wallTime) - now.wall;
  const clock = clockClass(skewMs, state.facts.clock.state);
  if (clock === state.facts.clock.state) return [state, []];
  const [next, effects] = setFacts(state, { ...state.facts, clock: { skewMs, state: clock } });
  if (clock === "in-sync") return [next, effects];
  const message = "clock of the agent is off; set up time synchronisation on the host";
  return [next, [...effects, { type: "log", level: "warn", message, fields: { skewMs } }]];
}
