import { expect, test } from "vitest";
import { NOON, tokenOf } from "../fixtures.ts";
import { spent } from "./readiness.ts";

const usedUp = {
  status: "True" as const,
  reason: "Used",
  message: "used once, as often as it may be; create another EnrollmentToken for further machines",
};
const late = {
  status: "False" as const,
  reason: "Expired",
  message: "expired 5m after its creation; create another EnrollmentToken",
};

test.each<[string, ReturnType<typeof tokenOf>, number, ReturnType<typeof spent>]>([
  ["a new one is usable", tokenOf("web"), 0, undefined],
  ["one with uses left is usable", tokenOf("web", { spec: { maxUses: 2 }, status: { uses: 1 } }), 0, undefined],
  ["one that was used as often as it may be is a success", tokenOf("web", { status: { uses: 1 } }), 0, usedUp],
  ["one past its ttl is none", tokenOf("web", { spec: { ttl: "5m" } }), 300_000, late],
  [
    "one past its ttl with uses left is none",
    tokenOf("web", { spec: { ttl: "5m", maxUses: 2 }, status: { uses: 1 } }),
    300_000,
    late,
  ],
  [
    "one that was used up remains a success past its ttl",
    tokenOf("web", { spec: { ttl: "5m" }, status: { uses: 1 } }),
    300_000,
    usedUp,
  ],
])("%s", (_, token, after, end) => {
  expect(spent(token, NOON + after)).toEqual(end);
});
