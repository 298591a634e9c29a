import { expect, test } from "vitest";
import { fits, goIsNewEnough } from "./version.ts";

test.each([
  ["the pinned version itself fits", "v1.34.4", "1.34.4", true],
  ["a later patch fits", "0.19.3", "0.19.1", true],
  ["an older patch does not fit", "0.19.0", "0.19.1", false],
  ["another minor version does not fit", "1.35.4", "1.34.4", false],
  ["another major version does not fit", "2.34.4", "1.34.4", false],
  ["a wrapper that adds a suffix does not fit", "v1.34.4-dispatcher", "1.34.4", false],
  ["a development build does not fit", "0.19.1-dev", "0.19.1", false],
  ["no version at all does not fit", "", "0.19.1", false],
])("%s", (_, found, pinned, want) => expect(fits(found, pinned)).toBe(want));

test.each([
  ["the same Go is new enough", "go1.25.8", "1.25.8", true],
  ["a newer minor version is new enough whatever its patch", "go1.26.0", "1.25.8", true],
  ["an older patch is too old", "go1.25.7", "1.25.8", false],
  ["1.9 is older than 1.25", "go1.9", "1.25.0", false],
  ["a go directive without patch is met by any patch", "go1.24.0", "1.24", true],
  ["a vendor's suffix is ignored", "go1.25.8 X:nocoverageredesign", "1.25.8", true],
])("%s", (_, found, needed, want) => expect(goIsNewEnough(found, needed)).toBe(want));
