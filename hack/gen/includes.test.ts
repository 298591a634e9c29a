import { expect, test } from "vitest";
import { fillIncludes } from "./includes.ts";

const read = (path: string) => `content of ${path}\n`;

test("a block below an include line gets the file's content, whatever stood there", () => {
  const page = "a\n<!-- include x/y.yaml -->\n```yaml\nold\nolder\n```\nb\n```sh\nkept\n```\n";
  expect(fillIncludes(page, read)).toBe(
    "a\n<!-- include x/y.yaml -->\n```yaml\ncontent of x/y.yaml\n```\nb\n```sh\nkept\n```\n",
  );
});

test("filling twice changes nothing more", () => {
  const once = fillIncludes("<!-- include x -->\n```\n```\n", read);
  expect(fillIncludes(once, read)).toBe(once);
});
