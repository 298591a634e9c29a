import { expect, test } from "vitest";
import { LogSeats } from "./log-seats.ts";

test("eight logs of one host are read at once, and sixty-four of all hosts; who leaves makes room", () => {
  const seats = new LogSeats();
  const leave = Array.from({ length: 8 }, () => seats.take("a/web-0"));
  const refused = expect.objectContaining({ status: 429, code: "too_many_requests", retryAfter: 5 });
  expect(() => seats.take("a/web-0")).toThrow(refused);
  for (let n = 8; n < 64; n++) seats.take(`a/web-${Math.floor(n / 8)}`);
  expect(() => seats.take("a/other")).toThrow(refused);
  leave[0]!();
  expect(seats.taken).toBe(63);
  seats.take("a/web-0");
  expect(() => seats.take("a/web-0")).toThrow(/8 logs of Host a\/web-0/);
});
