import { expect, test } from "vitest";
import { KubeError } from "./kube-error.ts";
import { parseRetryAfter, retryDelay } from "./retry.ts";

const whole = { next: () => 1 };
const none = { next: () => 0 };
const error = (status: number, options: { retryAfterMs?: number; cause?: unknown } = {}) =>
  new KubeError(status, undefined, "", options);
const cut = error(0, { cause: Object.assign(new Error("cut"), { code: "ECONNRESET" }) });
const refused = error(0, { cause: Object.assign(new Error("refused"), { code: "ECONNREFUSED" }) });

test.each([
  ["429 is retried, a create too", error(429), false, 250],
  ["Retry-After is honoured, a create too", error(503, { retryAfterMs: 7000 }), false, 7000],
  ["Retry-After shorter than the backoff does not shorten it", error(429, { retryAfterMs: 0 }), false, 250],
  ["Retry-After is bounded", error(429, { retryAfterMs: 3_600_000 }), false, 30_000],
  ["a failure of the server is retried when that is safe", error(500), true, 250],
  ["a failure of the server is not retried for a create: it may have been done", error(500), false, undefined],
  ["a cut connection is retried when that is safe", cut, true, 250],
  ["a cut connection is not retried for a create", cut, false, undefined],
  ["a refused connection is retried for a create: nobody heard it", refused, false, 250],
  ["a conflict is for the caller", error(409), true, undefined],
  ["a refusal is final", error(403), true, undefined],
  ["what is no answer of the API server is not retried", new Error("bug"), true, undefined],
])("%s", (_, failure, idempotent, want) => expect(retryDelay(failure, 1, idempotent, whole)).toBe(want));

test("the delay doubles up to 8 s, half of it at random, and the sixth failure is the last", () => {
  const delays = [1, 2, 3, 4, 5, 6].map((attempt) => retryDelay(error(500), attempt, true, whole));
  expect(delays).toEqual([250, 500, 1000, 2000, 4000, undefined]);
  expect(retryDelay(error(500), 5, true, none)).toBe(2000);
});

test.each([
  ["3", 3000],
  ["0", 0],
  ["Thu, 01 Jan 2026 00:00:10 GMT", 10_000],
  ["Thu, 01 Jan 2025 00:00:10 GMT", 0],
  ["soon", undefined],
  [undefined, undefined],
])("Retry-After: %s is %s ms", (header, want) => {
  expect(parseRetryAfter(header, Date.UTC(2026, 0, 1))).toBe(want);
});
