import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const files = globSync("**/*.test.ts", { cwd: root, exclude: ["**/node_modules/**"] });
const rows = readFileSync(`${root}docs/reliability.md`, "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| promise |"))
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .map(([, promise, shown, command]) => ({ promise: promise!, shown: shown!, command: command! }));

test("every promise is shown by tests that exist, in files that its command runs", () => {
  expect(rows.length).toBeGreaterThan(30);
  const wrong = rows.flatMap(({ promise, shown, command }) => {
    const filters = /^`npm test -- ([^`]+)`$/.exec(command)?.[1]?.split(" ");
    if (filters === undefined) return [`${promise}: ${command} is no command of a test`];
    const idle = filters.filter((filter) => !files.some((file) => file.includes(filter)));
    const text = files
      .filter((file) => filters.some((filter) => file.includes(filter)))
      .map((file) => readFileSync(root + file, "utf8"))
      .join("\n");
    const missing = [...shown.matchAll(/"([^"]+)"/g)].map(([, name]) => name!).filter((name) => !text.includes(name));
    return [...idle.map((filter) => `${promise}: no test file is named ${filter}`), ...missing];
  });
  expect(wrong).toEqual([]);
});
