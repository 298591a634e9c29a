import { expect, test } from "vitest";
import { nextEpoch } from "./epoch.ts";
import { judgeNonce, rotateNonces } from "./nonce.ts";

const first = rotateNonces(undefined, "n1");
const second = rotateNonces("n1", "n2");
test.each([
  ["a Host that issued none yet takes any", {}, "n7", true, "expected"],
  ["the nonce of the last hello_ack is expected", second, "n2", true, "expected"],
  ["the one before is tolerated: the hello_ack may have been lost", second, "n1", true, "expected"],
  ["the first hello repeated after a lost hello_ack shows none", first, undefined, true, "expected"],
  [
    "an older one without another session is a machine set back to a snapshot",
    rotateNonces("n2", "n3"),
    "n1",
    false,
    "rollback",
  ],
  ["an older one beside a living session is a clone", rotateNonces("n2", "n3"), "n1", true, "clone"],
  ["none, where one was confirmed, is no first connection", second, undefined, true, "clone"],
] as const)("%s", (_, stored, shown, alive, verdict) => expect(judgeNonce(stored, shown, alive)).toBe(verdict));

test("only hashes of nonces are stored", () => {
  expect(JSON.stringify(second)).not.toMatch(/n1|n2/);
});

test.each([
  ["an epoch is above the stored one", 4, 0, 5],
  ["an epoch is above what the agent has seen, where a status was lost", 0, 900, 901],
  ["a hello cannot lift the epoch without bound", 4, Number.MAX_SAFE_INTEGER, 1_000_000_005],
])("%s", (_, stored, highest, next) => expect(nextEpoch(stored, highest)).toBe(next));
