import { expect, test } from "vitest";
import { condition, connectedHost, hostOf, lostHost, NOON } from "../fixtures.ts";
import { hostReadiness, type Planned } from "./readiness.ts";

const fine: Planned = { id: "a".repeat(64) };
const withCondition = (...more: ReturnType<typeof condition>[]) =>
  connectedHost("web-1", { status: { conditions: [condition("Connected", "True"), ...more] } });

test.each<[string, ReturnType<typeof hostOf>, Planned | undefined, [string, string]]>([
  ["a connected host is ready", connectedHost("web-1"), fine, ["ready", "Connected"]],
  ["also while its configuration cannot be computed", connectedHost("web-1"), undefined, ["ready", "Connected"]],
  ["one that never connected waits for its agent", hostOf("web-1"), fine, ["waiting", "NeverConnected"]],
  ["one that is away waits for it to come back", lostHost("web-1", NOON), fine, ["waiting", "Disconnected"]],
  ["a paused one is ready and says so", connectedHost("web-1", { spec: { paused: true } }), fine, ["ready", "Paused"]],
  [
    "what is wrong with a paused one comes first",
    connectedHost("web-1", {
      spec: { paused: true },
      status: { conditions: [condition("Connected", "False", "Away")] },
    }),
    fine,
    ["waiting", "Away"],
  ],
  [
    "a revoked one is for the user to mend",
    connectedHost("web-1", { spec: { revoked: true } }),
    fine,
    ["stalled", "Revoked"],
  ],
  [
    "two machines with one identity are for the user to mend",
    withCondition(condition("IdentityConflict", "True")),
    fine,
    ["stalled", "IdentityConflict"],
  ],
  [
    "a configuration that cannot be made is for the user to mend",
    connectedHost("web-1"),
    { reason: "ConfigTooLarge", message: "m" },
    ["stalled", "ConfigTooLarge"],
  ],
  [
    "a configuration its agent refuses shows",
    withCondition(condition("ConfigApplied", "False", "HostRefused")),
    fine,
    ["waiting", "HostRefused"],
  ],
  [
    "one that is just being sent does not",
    withCondition(condition("ConfigApplied", "False", "Pending")),
    fine,
    ["ready", "Connected"],
  ],
  ["a wrong clock shows", withCondition(condition("ClockInSync", "False", "Skewed")), fine, ["waiting", "Skewed"]],
  [
    "refused results show",
    withCondition(condition("ResultsRejected", "True", "Refused")),
    fine,
    ["waiting", "ResultsRejected"],
  ],
])("%s", (_, host, planned, [state, reason]) => {
  expect(hostReadiness(host, planned)).toMatchObject({ state, reason });
});

test("what pausing means and how to end it stands in the message", () => {
  expect(hostReadiness(connectedHost("web-1", { spec: { paused: true } }), fine).message).toBe(
    "its agent is connected; scheduled backups are stopped, and slots of this time are not made up; manual runs still work; set spec.paused to false to resume",
  );
});
