import { expect, test } from "vitest";
import { at, NOON } from "../fixtures.ts";
import { durationText, oneShotDisplay, sizeText } from "./display.ts";

type Status = Parameters<typeof oneShotDisplay>[0];

const MiB = 1024 * 1024;
const snapshot = (id: string, dataAddedBytes: number) => ({ id, source: "files", dataAddedBytes });
const times = { startTime: at(NOON), completionTime: at(NOON + 754_000) };

test.each<[string, Status, string | undefined]>([
  [
    "a backup says what it added and how long it took",
    { phase: "Succeeded", snapshots: [snapshot("a", 1.25 * 1024 * MiB)], ...times },
    "1.3 GiB in 12m",
  ],
  [
    "several snapshots are added up",
    { phase: "Succeeded", snapshots: [snapshot("a", MiB), snapshot("b", 2 * MiB)], ...times },
    "3 MiB in 12m",
  ],
  ["a rehearsal says that there is no snapshot", { phase: "Succeeded", ...times }, "no snapshot in 12m"],
  ["a restore says what it wrote", { phase: "Succeeded", restored: { files: 3, bytes: 0 }, ...times }, "0 B in 12m"],
  ["without times there is only the size", { phase: "Succeeded", snapshots: [snapshot("a", 5)] }, "5 B"],
  [
    "what runs says how far it is",
    { phase: "Running", reason: "Running", progress: { percent: 42, secondsRemaining: 300 } },
    "42%, 5m left",
  ],
  [
    "before restic knows how long it takes, only how far",
    { phase: "Running", reason: "Running", progress: { percent: 42 } },
    "42%",
  ],
  ["before restic knows anything, nothing", { phase: "Running", reason: "Running", progress: {} }, undefined],
  [
    "what runs and has trouble says which",
    { phase: "Running", reason: "RepositoryUnreachable", progress: { percent: 42 } },
    "RepositoryUnreachable",
  ],
  ["what waits says for what", { phase: "Pending", reason: "HostOffline" }, "HostOffline"],
  ["what failed says why", { phase: "Failed", reason: "WrongPassword", ...times }, "WrongPassword"],
  ["what only repeats the phase is left out", { phase: "Queued", reason: "Queued" }, undefined],
  ["what was just created has nothing to say", { phase: "Pending" }, undefined],
])("%s", (_, status, want) => expect(oneShotDisplay(status).display?.result).toBe(want));

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
