import { expect, test } from "vitest";
import { isAlreadyExists, isConflict, isNotFound, isTransient, KubeError } from "./kube-error.ts";

test.each([
  ["the reason of the API server decides", 409, "AlreadyExists", "kube/already-exists", false],
  ["an expired continue token is gone, as an expired watch is", 410, "Expired", "kube/gone", false],
  ["without a reason the HTTP status decides", 422, undefined, "kube/invalid", false],
  ["an object that is not there is one the API server speaks of", 404, "NotFound", "kube/not-found", false],
  ["a 404 without a reason says nothing of the object and may pass", 404, undefined, "kube/unavailable", true],
  ["a reason nobody knows is left for the HTTP status", 403, "Whatever", "kube/forbidden", false],
  ["a reason that is a word of JavaScript is not known either", 403, "constructor", "kube/forbidden", false],
  ["a gateway's 502 may pass", 502, undefined, "kube/bad-response", true],
  ["too many requests may pass", 429, "TooManyRequests", "kube/too-many-requests", true],
  ["no answer may pass", 0, "Unreachable", "kube/unreachable", true],
  ["an answer that makes no sense does not", 200, "BadResponse", "kube/bad-response", false],
])("%s", (_, status, reason, code, transient) => {
  const error = new KubeError(status, reason, "message");
  expect([error.code, isTransient(error)]).toEqual([code, transient]);
});

test("the predicates take anything that was thrown", () => {
  const conflict = new KubeError(409, "Conflict", "");
  expect([isConflict(conflict), isAlreadyExists(conflict), isNotFound(undefined), isConflict("text")]).toEqual([
    true,
    false,
    false,
    false,
  ]);
});
