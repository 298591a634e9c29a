import { expect, test } from "vitest";
import { durationText, sizeText } from "./units.ts";

const MiB = 1024 * 1024;

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1 KiB"],
  [1536, "1.5 KiB"],
  [1024 * 1024 - 1, "1 MiB"],
  [999 * MiB, "999 MiB"],
  [1023.6 * MiB, "1 GiB"],
  [Number.MAX_SAFE_INTEGER, "8 PiB"],
])("%d bytes are %s", (bytes, want) => expect(sizeText(bytes)).toBe(want));

test.each([
  [-5, "0s"],
  [119_400, "119s"],
  [120_000, "2m"],
  [7_199_000, "119m"],
  [7_200_000, "2h"],
  [12_000_000, "3h20m"],
  [47 * 3_600_000, "47h"],
  [100 * 3_600_000, "4d4h"],
])("%d ms are %s", (ms, want) => expect(durationText(ms)).toBe(want));
