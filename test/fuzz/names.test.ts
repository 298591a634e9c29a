import fc from "fast-check";
import { expect, test } from "vitest";
import { formatCredential, formatToken, hostNameOf, parseCredential, parseToken } from "#protocol/enroll.ts";
import * as field from "#protocol/fields.ts";
import { rootOf, rootTag, runID, runName, snapshotTags } from "#protocol/names.ts";
import { closeReason, line, tail } from "#protocol/text.ts";
import { anyText } from "./arbitrary-of.ts";

/** RFC 1123 subdomain as the API server checks names, and short enough for a label. */
const OBJECT_NAME = /^(?=.{1,63}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const secret = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("base64url"));
const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);

/** What hostnames are made of, with what breaks names. */
const hostname = fc.oneof(
  anyText(80),
  fc.string({ unit: fc.constantFrom("a", "B", "7", "-", ".", "_", " ", "İ", "\u0000"), minLength: 1, maxLength: 80 }),
);

test("every hostname gives a name that Kubernetes takes, or none, and a name stays itself", () => {
  fc.assert(
    fc.property(hostname, (of) => {
      const made = hostNameOf(of);
      if (made !== "") expect(made).toMatch(OBJECT_NAME);
      expect(hostNameOf(made)).toBe(made);
    }),
    { numRuns: 3000 },
  );
});

test("a token and a credential are read back as they were made", () => {
  fc.assert(
    fc.property(fc.uuid(), secret, (uid, value) => {
      expect(parseToken(formatToken(uid, value))).toEqual({ id: uid.replaceAll("-", ""), secret: value });
    }),
  );
  fc.assert(
    fc.property(name, name, secret, (namespace, host, value) => {
      expect(parseCredential(formatCredential({ namespace, host, secret: value }))).toEqual({
        namespace,
        host,
        secret: value,
      });
    }),
  );
});

test("a token or credential with anything else in it is none", () => {
  const good = formatCredential({ namespace: "backups", host: "web-1", secret: "s".repeat(43) });
  const token = formatToken("0f8fad5b-d9cb-469f-a165-70867728950e", "s".repeat(43));
  fc.assert(
    fc.property(anyText(20), fc.nat(), (text, at) => {
      for (const [whole, parse] of [
        [good, parseCredential],
        [token, parseToken],
      ] as const) {
        const cut = at % (whole.length + 1);
        const wrong = whole.slice(0, cut) + text + whole.slice(cut);
        const read = parse(wrong);
        if (read !== undefined) expect(Object.values(read).join("_")).toBe(wrong.slice(4));
        expect(parse(text)).toBeUndefined();
        expect(parse(whole.slice(0, cut % whole.length))).toBeUndefined();
      }
    }),
    { numRuns: 1000 },
  );
  expect(parseToken("hft_".repeat(1_000_000))).toBeUndefined();
  expect(parseCredential(`hfa_${"a".repeat(4_000_000)}`)).toBeUndefined();
});

test("a run's name fits a label whatever its policy and host are called, and only its identity decides it", () => {
  const identity = fc.record({ policyUID: fc.uuid(), hostUID: fc.uuid(), occasion: anyText(30) });
  const longName = fc.stringMatching(/^[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?$/);
  fc.assert(
    fc.property(longName, longName, identity, (policy, host, of) => {
      const made = runName(policy, host, of);
      expect(made.length).toBeLessThanOrEqual(63);
      expect(field.name.safeParse(made).success).toBe(true);
      expect(runName(policy, host, { ...of })).toBe(made);
      expect(runID(of)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }),
  );
});

test("no tag that a user may set can stand in for one of ours", () => {
  const ours = snapshotTags({ clusterID: "c", namespace: "n", policy: "p", source: "files", runID: "r" });
  fc.assert(
    fc.property(anyText(40), fc.constantFrom(...ours, "root=/x"), (text, own) => {
      for (const tag of [text, own, own + text, `${text},${own}`]) {
        const prefix = /^(holdfast$|(cluster|policy|source|run|root)=)/.test(tag) || tag.includes(",");
        if (prefix) expect(field.tag.safeParse(tag).success).toBe(false);
      }
    }),
  );
});

test("the root folder in a snapshot's tags is read back, and a forged one never climbs", () => {
  fc.assert(
    fc.property(fc.array(anyText(12), { maxLength: 3 }), (parts) => {
      const root = rootOf([rootTag(`/${parts.join("/")}`)]);
      expect(root === "" || (root.startsWith("/") && !root.split("/").includes("..") && !root.includes("\0"))).toBe(
        true,
      );
      expect(rootTag(`/${parts.join("/").toWellFormed()}`)).not.toContain(",");
    }),
  );
  expect(rootOf([rootTag("/ho,st/100%")])).toBe("/ho,st/100%");
});

test("a line, a tail and a close reason keep to their bounds and to whole characters", () => {
  fc.assert(
    fc.property(anyText(400), fc.integer({ min: 1, max: 300 }), (text, limit) => {
      const one = line(text, limit);
      expect(one.length).toBeLessThanOrEqual(limit);
      expect(one.isWellFormed() && !one.includes("\n")).toBe(true);
      expect(Buffer.byteLength(tail(text, limit))).toBeLessThanOrEqual(limit);
      const reason = closeReason(text);
      expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123);
      expect(reason).not.toMatch(
        /\ufffd$/.test(text.toWellFormed().slice(0, reason.length)) ? /^$/ : /[^\ufffd]\ufffd$/,
      );
    }),
    { numRuns: 1000 },
  );
});
