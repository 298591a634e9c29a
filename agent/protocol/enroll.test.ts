import { expect, test } from "vitest";
import { formatCredential, formatToken, hostNameOf, parseCredential, parseToken } from "./enroll.ts";

const secret = "A".repeat(43);

test("a token is made of the EnrollmentToken's UID and a secret, and read back", () => {
  const token = formatToken("9d1f6a52-c0b7-4c1c-8f0e-5a3b7d2e4c61", secret);
  expect(parseToken(token)).toEqual({ id: "9d1f6a52c0b74c1c8f0e5a3b7d2e4c61", secret });
});

test.each([
  "",
  "hft_",
  `hft_${"0".repeat(31)}_${secret}`,
  `hfa_${"0".repeat(32)}_${secret}`,
  `hft_${"0".repeat(32)}_${secret}\n`,
])("%j is no token", (text) => expect(parseToken(text)).toBeUndefined());

test("a credential names its namespace and host, and is read back", () => {
  const credential = { namespace: "backups", host: "web-1.example.com", secret };
  expect(parseCredential(formatCredential(credential))).toEqual(credential);
  expect(parseCredential("hfa_backups_web-1_short")).toBeUndefined();
});

test.each([
  ["Web-1.Example.COM", "web-1.example.com"],
  ["db_server", "db-server"],
  ["-odd..name-", "odd.name"],
  ["größe", "gr--e"],
  ["a-.b", "a.b"],
  ["x".repeat(80), "x".repeat(63)],
  ["___", ""],
])("the machine %j becomes the Host %j", (hostname, want) => expect(hostNameOf(hostname)).toBe(want));
