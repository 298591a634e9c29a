import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { expect, test } from "vitest";
import { withLock } from "./lock.mjs";

test("two that ask at once run one after the other, and the second is told that it waits", async () => {
  const name = randomUUID();
  const events: string[] = [];
  const free = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  const first = withLock(
    name,
    () => events.push("first waits"),
    async () => {
      entered.resolve();
      await free.promise;
      events.push("first ran");
    },
  );
  await entered.promise;
  const second = withLock(
    name,
    () => {
      events.push("second waits");
      free.resolve();
    },
    async () => events.push("second ran"),
  );
  await Promise.all([first, second]);
  expect(events).toEqual(["second waits", "first ran", "second ran"]);
});

test("a holder that is killed lets go", async () => {
  const name = randomUUID();
  const script = `import { withLock } from ${JSON.stringify(new URL("lock.mjs", import.meta.url).href)};
    await withLock(${JSON.stringify(name)}, () => {}, () => new Promise(() => { console.log("held"); setInterval(() => {}, 1e6); }));`;
  const holder = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  let waited = false;
  await withLock(
    name,
    () => {
      waited = true;
      holder.kill("SIGKILL");
    },
    async () => {},
  );
  expect(waited).toBe(true);
});

test("one that fails lets go, and the error is its own", async () => {
  const name = randomUUID();
  await expect(
    withLock(
      name,
      () => {},
      () => Promise.reject(new Error("no")),
    ),
  ).rejects.toThrow("no");
  expect(
    await withLock(
      name,
      () => {},
      async () => 1,
    ),
  ).toBe(1);
});
