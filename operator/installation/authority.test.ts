import { createHash, X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { createAuthority, issueServing, spkiPin } from "./authority.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z");

test("a serving certificate is the authority's, for every name it was asked for, and cannot sign others", async () => {
  const authority = await createAuthority("cluster-1", NOW);
  const leaf = new X509Certificate(
    (await issueServing(authority, ["backup.example.com", "127.0.0.1", "::1"], NOW)).cert,
  );
  const ca = new X509Certificate(authority.cert);
  expect(leaf.checkIssued(ca)).toBe(true);
  expect(leaf.verify(ca.publicKey)).toBe(true);
  expect(leaf.checkHost("backup.example.com")).toBe("backup.example.com");
  expect(leaf.checkIP("127.0.0.1")).toBe("127.0.0.1");
  expect(leaf.checkIP("::1")).toBe("::1");
  expect([ca.ca, leaf.ca]).toEqual([true, false]);
  expect(Date.parse(leaf.validTo) - NOW).toBe(90 * 24 * 3_600_000);
});

test("the pin is the SHA-256 of the public key, the same for every certificate with that key", async () => {
  const { cert } = await createAuthority("cluster-1", NOW);
  const spki = new X509Certificate(cert).publicKey.export({ type: "spki", format: "der" });
  expect(spkiPin(cert)).toBe(`sha256/${createHash("sha256").update(spki).digest("base64")}`);
  expect(spkiPin(cert)).not.toBe(spkiPin((await createAuthority("cluster-1", NOW)).cert));
});
