import { describe, expect, test } from "vitest";
import { parseLine } from "./lines.ts";
import { nothingSeen, observe } from "./observe.ts";

const ID = "1de8a001ce4840f7f41b7640c82ca79547e0cf9e28bc3db75457b808afea13fe";

describe("a line of restic", () => {
  test("status of a backup", () => {
    const text =
      '{"message_type":"status","seconds_elapsed":3,"seconds_remaining":9,"percent_done":0.256,"total_files":40,"files_done":10,"total_bytes":1000,"bytes_done":256,"error_count":1,"current_files":["/srv/a","/srv/b"]}';
    expect(parseLine("stdout", text)).toEqual({
      type: "status",
      progress: {
        percent: 25.6,
        filesDone: 10,
        totalFiles: 40,
        bytesDone: 256,
        totalBytes: 1000,
        secondsRemaining: 9,
        errors: 1,
        currentFile: "/srv/a",
      },
    });
  });

  test("status of a backup that is still counting leaves the totals out", () => {
    expect(parseLine("stdout", '{"message_type":"status","percent_done":0}')).toEqual({
      type: "status",
      progress: { percent: 0, filesDone: 0, bytesDone: 0, errors: 0 },
    });
  });

  test("status of a restore counts restored and skipped as done", () => {
    const text =
      '{"message_type":"status","percent_done":1,"total_files":9,"files_restored":4,"files_skipped":5,"total_bytes":90,"bytes_restored":40,"bytes_skipped":50}';
    expect(parseLine("stdout", text)).toMatchObject({
      progress: { percent: 100, filesDone: 9, bytesDone: 90 },
      restored: { files: 4, filesSkipped: 5, bytes: 40, bytesSkipped: 50 },
    });
  });

  test("a summary counts on stdout only: on stderr a dump could forge it", () => {
    const text = `{"message_type":"summary","files_new":1,"total_files_processed":1,"total_bytes_processed":2619,"data_added":4702,"snapshot_id":"${ID}"}`;
    expect(parseLine("stdout", text)).toMatchObject({
      type: "summary",
      summary: { snapshotID: ID, filesNew: 1, filesChanged: 0, totalBytes: 2619, dataAddedBytes: 4702, dryRun: false },
    });
    expect(parseLine("stderr", text)).toEqual({ type: "text", text });
  });

  test.each<[string, string, object]>([
    [
      "an unread file",
      '{"message_type":"error","error":{"message":"permission denied"},"during":"archival","item":"/srv/x"}',
      { type: "unread", item: "/srv/x", message: "permission denied" },
    ],
    ["a missing path in words", "/nonexist does not exist, skipping", { type: "unread", item: "/nonexist" }],
    [
      "the last word",
      '{"message_type":"exit_error","code":12,"message":"Fatal: wrong password"}',
      { type: "exit", message: "Fatal: wrong password" },
    ],
    [
      "a retry",
      'Stat(<config/>) returned error, retrying after 717.277308ms: Head "http://:***@127.0.0.1:1/b/config": dial tcp 127.0.0.1:1: connect: connection refused',
      {
        type: "retrying",
        message: 'Head "http://:***@127.0.0.1:1/b/config": dial tcp 127.0.0.1:1: connect: connection refused',
      },
    ],
    ["the end of retries", "Stat(<config/>) operation successful after 3 retries", { type: "recovered" }],
    [
      "an initialised repository",
      `{"message_type":"initialized","id":"${ID}","repository":"rest:x"}`,
      { type: "initialized", id: ID },
    ],
    ["a type of a later restic", '{"message_type":"novelty","x":1}', { type: "text" }],
    ["half a line of JSON", '{"message_type":"status","perc', { type: "text" }],
    ["a JSON value that is no object", "[1,2]", { type: "text" }],
    [
      "numbers that are none",
      '{"message_type":"status","percent_done":"much","files_done":-4,"bytes_done":1e400}',
      { type: "status", progress: { filesDone: 0, bytesDone: 0, errors: 0 } },
    ],
    [
      "a snapshot id that is none",
      '{"message_type":"summary","snapshot_id":"../x"}',
      { type: "summary", summary: expect.not.objectContaining({ snapshotID: expect.anything() }) },
    ],
    ["plain text", "signal interrupt received, cleaning up ", { type: "text" }],
  ])("%s", (_, text, want) => {
    expect(parseLine(text.includes("summary") ? "stdout" : "stderr", text)).toMatchObject(want);
  });
});

describe("what a run has said", () => {
  const same = (text: string) => text;
  test("names the first ten unread files and counts all", () => {
    const seen = nothingSeen();
    for (let file = 0; file < 25; file++) {
      observe(
        seen,
        "stderr",
        `{"message_type":"error","error":{"message":"denied"},"item":"/srv/${file}\\u202e"}`,
        0,
        same,
      );
    }
    expect(seen.failedFiles).toEqual({ count: 25, first: Array.from({ length: 10 }, (_, file) => `/srv/${file}`) });
  });

  test("holds since when the repository does not answer, until it does", () => {
    const seen = nothingSeen();
    observe(seen, "stderr", "Save(<data/a>) returned error, retrying after 1s: refused", 100, same);
    observe(seen, "stderr", "Save(<data/a>) returned error, retrying after 2s: refused again", 200, same);
    expect(seen.retrying).toEqual({ since: 100, message: "refused again" });
    observe(seen, "stdout", '{"message_type":"status","percent_done":0.5}', 300, same);
    expect(seen.retrying).toBeDefined();
    observe(seen, "stdout", '{"message_type":"status","percent_done":0.5,"bytes_done":10}', 400, same);
    expect(seen.retrying).toBeUndefined();
  });

  test("keeps few of many errors", () => {
    const seen = nothingSeen();
    for (let line = 0; line < 1000; line++) observe(seen, "stderr", `problem ${line} ${"x".repeat(10_000)}`, 0, same);
    expect(seen.errors).toHaveLength(20);
    expect(seen.errors.at(-1)).toMatch(/^problem 999/);
    expect(Math.max(...seen.errors.map(({ length }) => length))).toBeLessThanOrEqual(4096);
  });

  test("logs no status noise", () => {
    expect(observe(nothingSeen(), "stdout", '{"message_type":"status","percent_done":0.5}', 0, same)).toBeUndefined();
  });
});
