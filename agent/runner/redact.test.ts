import { expect, test } from "vitest";
import { redactor } from "./redact.ts";

const SECRET = 'pä"ss wörd/+&\\';

test.each([
  ["as it is", (secret: string) => secret],
  ["in JSON", (secret: string) => JSON.stringify(secret).slice(1, -1)],
  ["in an address", encodeURIComponent],
  ["in hostile characters", (secret: string) => `${secret.slice(0, 3)}\u001b[31m${secret.slice(3)}`],
])("a secret is replaced %s", (_, written) => {
  expect(redactor([SECRET])(`login: ${written(SECRET)} was refused`)).toBe("login: *** was refused");
});

test.each(["", "a", "ab", "abc", "fleet:"])(
  "a login that a server repeats in base64 is replaced, behind %j",
  (before) => {
    const said = redactor([SECRET])(`Basic ${Buffer.from(`${before}${SECRET}`).toString("base64")}`);
    // At its ends a character may hold bits of its neighbours, too.
    expect(said).toMatch(/^Basic [A-Za-z0-9+/]{0,9}\*\*\*[A-Za-z0-9+/=]{0,3}$/);
  },
);

test("what is short is replaced where it stands alone only, and never in base64", () => {
  const show = redactor(["abc"]);
  expect(show("abc in abcdef")).toBe("*** in abcdef");
  expect(show(Buffer.from("abc").toString("base64"))).toBe("YWJj");
});
