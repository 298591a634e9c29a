import { expect, test } from "vitest";
import { at, condition, connectedHost, NOON } from "../fixtures.ts";
import { withoutReplica } from "./dead-replicas.ts";

test("a host of a dead replica is Unknown and keeps all else that its session told", () => {
  const live = {
    agent: { version: "0.1.0" },
    config: { applied: "x", desired: "y" },
    conditions: [condition("Connected", "True"), condition("ConfigApplied", "True"), condition("Ready", "True")],
  };
  const status = withoutReplica(connectedHost("web-1", { status: live }), NOON + 300_000);
  expect(status).toEqual({
    agent: { version: "0.1.0" },
    session: { epoch: 3, replica: "op-1", connectedTime: at(NOON), disconnectedTime: at(NOON + 210_000) },
    lastSeenTime: at(NOON),
    config: { applied: "x" },
    conditions: [
      {
        type: "Connected",
        status: "Unknown",
        reason: "ReplicaGone",
        message:
          "operator replica op-1 stopped, and the agent has not come back since; check that it runs and reaches the operator",
        lastTransitionTime: at(NOON + 300_000),
      },
      condition("ConfigApplied", "True"),
    ],
  });
});
