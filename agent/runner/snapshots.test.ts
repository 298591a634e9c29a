import { describe, expect, test } from "vitest";
import { openLane } from "./lane.ts";
import { addressOf } from "./probe.ts";
import { parseSnapshots, pickSnapshot } from "./snapshots.ts";
import { mountPoints } from "./sources.ts";

const id = (digit: string) => digit.repeat(64);
const found = [
  { id: id("a"), time: Date.parse("2026-01-01T00:00:00Z"), root: "" },
  { id: `a${id("b").slice(1)}`, time: Date.parse("2026-01-03T00:00:00Z"), root: "" },
  { id: id("c"), time: Date.parse("2026-01-02T00:00:00Z"), root: "" },
];
const latest = { latest: true as const, tags: ["source=files"] };

describe("choosing a snapshot", () => {
  test("the latest is the newest by time, not the last in the list", () => {
    expect(pickSnapshot(found, latest)).toBe(found[1]);
  });
  test("the latest before a time, that time included", () => {
    expect(pickSnapshot(found, { ...latest, before: "2026-01-02T00:00:00Z" })).toBe(found[2]);
    expect(pickSnapshot(found, { ...latest, before: "2026-01-02T01:00:00+02:00" })).toBe(found[0]);
  });
  test("an id by its first digits, if they are enough", () => {
    expect(pickSnapshot(found, { id: "cccccccc" })).toBe(found[2]);
    expect(() => pickSnapshot(found, { id: "a" })).toThrow("write more digits");
    expect(() => pickSnapshot(found, { id: "dddddddd" })).toThrow("no snapshot dddddddd");
  });
  test("none from before a time is told from none at all", () => {
    expect(() => pickSnapshot(found, { ...latest, before: "2025-01-01T00:00:00Z" })).toThrow("choose a later time");
    expect(() => pickSnapshot(found.slice(0, 1), { ...latest, before: "2025-01-01T00:00:00Z" })).toThrow(
      "has 1 snapshot with",
    );
    expect(() => pickSnapshot([], { ...latest, host: "web-1" })).toThrow("source=files of host web-1");
  });
});

test("restic's list is read leniently: what is no snapshot is left out", () => {
  const text = JSON.stringify([
    { id: id("a"), time: "2026-01-01T00:00:00.123456789+01:00", tags: ["x", "root=/host"], summary: { files_new: 3 } },
    { id: "short" },
    null,
    { id: id("b"), time: "never" },
  ]);
  expect(parseSnapshots(text)).toMatchObject([
    { id: id("a"), time: Date.parse("2025-12-31T23:00:00.123Z"), root: "/host", summary: { filesNew: 3 } },
  ]);
  expect(() => parseSnapshots("{}")).toThrow("no JSON list");
});

test.each([
  ["rest:http://host/path/", { host: "host", port: 80 }],
  ["rest:https://host:8000/", { host: "host", port: 8000 }],
  ["s3:https://[::1]:9000/bucket", { host: "::1", port: 9000 }],
  ["s3:s3.amazonaws.com/bucket", undefined],
  ["b2:bucket:path", undefined],
  ["/mnt/repo", undefined],
  ["rest:http://%%%/", undefined],
])("the address of %s", (url, want) => {
  expect(addressOf(url)).toEqual(want);
});

test("mount points are read with their escaped blanks", () => {
  const text = "36 35 98:0 / / rw - ext4 /dev/sda1 rw\n37 36 0:5 / /mnt/my\\040disk rw - ext4 /dev/sdb rw\n";
  expect(mountPoints(text)).toEqual(new Set(["/", "/mnt/my disk"]));
});

describe("a lane", () => {
  test("lets in as many as it is wide, in the order they came", async () => {
    const lane = openLane(1);
    const never = new AbortController().signal;
    const order: string[] = [];
    const enter = async (name: string) => {
      const free = await lane.enter(never);
      order.push(name);
      return free;
    };
    const leave = await lane.enter(never);
    const second = enter("second");
    const third = enter("third");
    leave();
    leave();
    (await second)();
    (await third)();
    expect(order).toEqual(["second", "third"]);
  });

  test("forgets one that gives up waiting", async () => {
    const lane = openLane(1);
    const never = new AbortController().signal;
    const leave = await lane.enter(never);
    const abort = new AbortController();
    const waiting = lane.enter(abort.signal);
    const after = lane.enter(never);
    abort.abort(new Error("cancelled"));
    await expect(waiting).rejects.toThrow("cancelled");
    leave();
    (await after)();
    await expect(lane.enter(abort.signal)).rejects.toThrow("cancelled");
  });
});
