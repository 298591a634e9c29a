import { Counter, Gauge, type Registry } from "prom-client";

export type HubMetrics = ReturnType<typeof hubMetrics>;

/** Registers what the hub measures; once per registry. No label names a host: that would be a series for each of them. */
export function hubMetrics(registry: Registry, now: { connected: () => number; heldBytes: () => number }) {
  const registers = [registry];
  new Gauge({
    name: "holdfast_held_record_bytes",
    help: "Results of agents that wait for the API server; over a session's or the replica's share agents are not read from.",
    registers,
    collect() {
      this.set(now.heldBytes());
    },
  });
  new Gauge({
    name: "holdfast_sessions",
    help: "Agents with an accepted session on this replica.",
    registers,
    collect() {
      this.set(now.connected());
    },
  });
  return {
    frames: new Counter({
      name: "holdfast_agent_frames_total",
      help: "Frames from agents by type; malformed and unsupported ones under these names.",
      labelNames: ["type"] as const,
      registers,
    }),
    opened: new Counter({ name: "holdfast_sessions_opened_total", help: "Sessions accepted.", registers }),
    refused: new Counter({
      name: "holdfast_agent_upgrades_refused_total",
      help: "Upgrade requests answered without a WebSocket, by error code.",
      labelNames: ["code"] as const,
      registers,
    }),
  };
}
