import { describe, expect, test } from "vitest";
import { restoredVerdict } from "./restored.ts";

const none = { files: 0, filesSkipped: 0, bytes: 0, bytesSkipped: 0, errors: 0 };
type Command = Parameters<typeof restoredVerdict>[0];
const all: Command = { include: [], overwrite: "Never", verify: false, dryRun: false };
const id = "0123456789abcdef".repeat(4);

describe("what a restore that ended well says", () => {
  test.each<[string, Command, Partial<typeof none>, string]>([
    ["a restore", all, { files: 21103, bytes: 41_300_000 }, "21103 files and folders, 39 MiB restored"],
    [
      "a dry run",
      { ...all, dryRun: true },
      { files: 21103, bytes: 41_300_000 },
      "dry run, nothing was written: 21103 files and folders, 39 MiB would be",
    ],
    [
      "one that kept files",
      all,
      { files: 12, filesSkipped: 20075, bytes: 1536 },
      "12 files and folders, 1.5 KiB restored; 20075 files were there already and were kept (overwrite: Never)",
    ],
    [
      "one that was verified",
      { ...all, verify: true },
      { files: 12, bytes: 1536 },
      "12 files and folders, 1.5 KiB restored and verified",
    ],
    [
      "one that was verified, but for the files that it kept",
      { ...all, verify: true },
      { files: 12, filesSkipped: 800, bytes: 1536 },
      "12 files and folders, 1.5 KiB restored and verified; " +
        "800 files were there already and were kept, not compared with the snapshot (overwrite: Never)",
    ],
    [
      "a dry run that would keep a file",
      { ...all, overwrite: "IfNewer", dryRun: true },
      { files: 1, filesSkipped: 1, bytes: 1 },
      "dry run, nothing was written: 1 file or folder, 1 B would be; " +
        "1 file was there already and would be kept (overwrite: IfNewer)",
    ],
    ["an empty snapshot", all, {}, "0 files and folders, 0 B restored"],
    ["much", all, { files: 2, bytes: 999_600_000_000 }, "2 files and folders, 931 GiB restored"],
  ])("%s", (_, command, total, message) => {
    expect(restoredVerdict(command, false, id, { ...none, ...total })).toEqual({
      phase: "Succeeded",
      reason: "Completed",
      message,
    });
  });
});

describe("an include that matches nothing", () => {
  test("is a failure that names the pattern and how to find the right one", () => {
    const verdict = restoredVerdict({ ...all, include: ["/www/x", "/y"] }, true, id, none);
    expect(verdict).toMatchObject({ phase: "Failed", reason: "NothingMatched" });
    expect(verdict.message).toContain("nothing in the snapshot matches /www/x, nor any other pattern of include");
    expect(verdict.message).toContain("restic ls 01234567");
  });

  test("is none where all that matches was there already, or an empty folder was named as a whole", () => {
    const command = { ...all, include: ["/y"] };
    expect(restoredVerdict(command, true, id, { ...none, filesSkipped: 1 }).phase).toBe("Succeeded");
    expect(restoredVerdict(command, false, id, none).phase).toBe("Succeeded");
  });
});
