import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";

const main = fileURLToPath(new URL("../../hack/profile/main.ts", import.meta.url));
const run = promisify(execFile);

/** Works hard, and holds a secret and more and more strings of it. */
const HOLDER = `
  const held = [];
  process.stdin.once("data", (secret) => {
    setInterval(function hold() {
      let sum = 0;
      for (let n = 0; n < 5e6; n++) sum = (sum * 31 + n) | 0;
      for (let n = 0; n < 50; n++) held.push({ value: String(secret) + n + sum, room: new Array(100).fill(0) });
    }, 5);
    console.log("begun");
  });
`;

test.each(["cpu", "heap"])(
  "a %s profile names functions, holds no value, and leaves no inspector open",
  async (sort) => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-profile-"));
    const holder = spawn(process.execPath, ["--inspect-port=0", "--eval", HOLDER], { stdio: ["pipe", "pipe", "pipe"] });
    onTestFinished(() => {
      holder.kill("SIGKILL");
      rmSync(folder, { recursive: true });
    });
    let inspector = "";
    holder.stderr.setEncoding("utf8").on("data", (text: string) => {
      inspector += text;
    });
    holder.stdin.write("canary-in-memory\n");
    await once(holder.stdout, "data");
    const out = join(folder, "out");
    const args = [main, sort, "--pid", String(holder.pid), "--seconds", "2", "--out", out];
    const profiled = async () => {
      const { stdout } = await run(process.execPath, args);
      expect(`${stdout}${readFileSync(out, "utf8")}`).not.toContain("canary-in-memory");
      return stdout;
    };
    // A sampler on a busy machine may see nothing of what hardly had its turn.
    await expect.poll(profiled, { timeout: 60_000 }).toMatch(/\| hold \[eval\]:\d+ \|/);
    expect(readFileSync(out, "utf8")).toContain('"functionName":"hold"');
    await expect.poll(() => inspector, { timeout: 10_000 }).toContain("Debugger ending on");
  },
);

test("what cannot be profiled is refused with how to use it", async () => {
  const refused = await run(process.execPath, [main, "snapshot"]).catch(
    (error: { code: number; stderr: string }) => error,
  );
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("profile cpu|heap") });
});
