import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { writeDurably } from "./durable-file.ts";

const SCRIPT = `
  const { writeDurably } = await import(process.argv[1]);
  writeDurably(process.argv[2], Buffer.alloc(100_000, "new"));
`;

test("a disk that takes only a part of the new bytes keeps the old ones", () => {
  const folder = mkdtempSync(`${tmpdir()}/holdfast-durable-`);
  const file = `${folder}/kept`;
  writeDurably(file, Buffer.from("old"));
  // As a disk that fills up does, a limit on a file's size lets a write end early without an error, and fails the next.
  const limited = ["-c", 'ulimit -f 16; exec "$@"', "sh", process.execPath, "--input-type=module", "-e", SCRIPT];
  const module = fileURLToPath(new URL("durable-file.ts", import.meta.url));
  const { status, stderr } = spawnSync("sh", [...limited, module, file], { encoding: "utf8" });
  expect([status, stderr]).toEqual([1, expect.stringContaining("EFBIG")]);
  expect(readFileSync(file, "utf8")).toBe("old");
  expect(readdirSync(folder)).toEqual(["kept"]);
  rmSync(folder, { recursive: true });
});
