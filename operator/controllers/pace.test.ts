import { expect, test } from "vitest";
import { type Difference, type Pace, turn } from "./pace.ts";

test.each<[string, Pace, Difference, number, ReturnType<typeof turn>]>([
  ["the first summary is written at once", {}, "lasting", 5, [{ write: true }, { writtenAt: 5 }]],
  [
    "a second one within ten seconds waits for them to be over",
    { writtenAt: 1000 },
    "lasting",
    4000,
    [
      { write: false, afterMs: 7000 },
      { writtenAt: 1000, waitingSince: 4000 },
    ],
  ],
  ["after ten seconds it is written", { writtenAt: 1000 }, "lasting", 11_000, [{ write: true }, { writtenAt: 11_000 }]],
  [
    "a run that has begun waits, because its end is likely to come first",
    {},
    "transient",
    0,
    [{ write: false, afterMs: 10_000 }, { waitingSince: 0 }],
  ],
  ["its end is written at once", { waitingSince: 0 }, "lasting", 3000, [{ write: true }, { writtenAt: 3000 }]],
  [
    "a long run shows after ten seconds",
    { waitingSince: 0 },
    "transient",
    10_000,
    [{ write: true }, { writtenAt: 10_000 }],
  ],
  [
    "nothing new is not written",
    { writtenAt: 1, waitingSince: 2 },
    "none",
    60_000,
    [{ write: false }, { writtenAt: 1 }],
  ],
])("%s", (_, pace, difference, now, want) => expect(turn(pace, difference, now)).toEqual(want));
