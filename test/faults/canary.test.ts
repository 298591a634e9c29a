import { createHash, generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { Canaries } from "./canary.ts";

const VALUE = "pw \"Zvö\\ 1%+/&?=' Qx7mK2nR9tL4";

function finds(content: string | Buffer, value: string | Buffer = VALUE): string[] {
  const canaries = new Canaries();
  canaries.add("it", value);
  return canaries.search("here", content).map(({ form }) => form);
}

describe("a canary is found", () => {
  test.each<[string, string, string]>([
    ["as it is", `password ${VALUE} was wrong`, "plain"],
    ["in JSON", JSON.stringify({ password: VALUE }), "JSON"],
    ["in JSON in JSON", JSON.stringify(JSON.stringify({ password: VALUE })), "JSON in JSON"],
    ["in an address", `https://u:${encodeURIComponent(VALUE)}@h/`, "URL"],
    ["in a form", new URLSearchParams({ password: VALUE }).toString(), "form"],
    ["in base64", Buffer.from(VALUE).toString("base64"), "base64"],
    ["in the base64 of a user and it", Buffer.from(`fleet:${VALUE}`).toString("base64"), "base64"],
    ["in the base64 of a larger file", Buffer.from(`ab: ${VALUE}\nmore: data`).toString("base64"), "base64"],
    ["in a token's payload", Buffer.from(JSON.stringify({ a: VALUE })).toString("base64url"), "base64url"],
    ["as its hash", createHash("sha256").update(VALUE).digest("hex"), "SHA-256"],
    ["in hexadecimal", Buffer.from(VALUE).toString("hex"), "hex"],
    ["cut at its middle", `…${VALUE.slice(3)}`, "plain"],
    ["cut before its end", `${VALUE.slice(0, -3)}…`, "plain"],
  ])("%s", (_, content, form) => {
    expect(finds(Buffer.from(content))).toContain(form);
  });

  test("behind any number of bytes in base64, in both alphabets", () => {
    const value = Buffer.from("fb".repeat(24), "hex");
    for (let before = 0; before < 6; before++) {
      const whole = Buffer.concat([Buffer.alloc(before, 7), value, Buffer.alloc(4, 9)]);
      expect(finds(whole.toString("base64"), value)).toContain("base64");
      expect(finds(whole.toString("base64url"), value)).toContain("base64url");
    }
  });

  test("as a private key in PEM whose lines are cut", () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = String(privateKey.export({ type: "pkcs8", format: "pem" }));
    const canaries = new Canaries();
    canaries.addKey("key", pem);
    expect(canaries.search("here", pem).map(({ canary }) => canary)).toEqual(["key"]);
    expect(canaries.search("here", pem.replaceAll("\n", "\\n"))).toHaveLength(1);
  });
});

test("nothing is found in what merely resembles it", () => {
  expect(finds(`${VALUE.slice(0, 6)} ${VALUE.slice(-6)}`)).toEqual([]);
});

test("a find does not tell the value", () => {
  const canaries = new Canaries();
  canaries.add("it", VALUE);
  const [find] = canaries.search("a log", `at login: ${VALUE}, refused`);
  expect(find).toMatchObject({ canary: "it", place: "a log", around: expect.stringContaining("at login: ***") });
  expect(JSON.stringify(find)).not.toContain(VALUE.slice(0, 8));
});

test("a value that could be found by chance is refused", () => {
  expect(() => finds("", "short")).toThrow(/too short/);
});
