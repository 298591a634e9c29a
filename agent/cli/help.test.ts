import { expect, test } from "vitest";
import { helpOf } from "./help.ts";

test("the help says how to write several values, as flags and in the variable", () => {
  expect(helpOf("run")).toContain(
    "  --restore-root DIR (may be repeated)   [HOLDFAST_RESTORE_ROOTS, separated by commas]\n",
  );
  expect(helpOf("run")).toContain("  --host-root DIR   [HOLDFAST_HOST_ROOT]\n");
});
