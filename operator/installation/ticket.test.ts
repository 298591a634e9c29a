import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { Tickets } from "./ticket.ts";

const key = () => String(generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }));
const ours = new Tickets(key());
const adoption = {
  clusterID: "c",
  namespace: "n",
  host: "web-1",
  credentialHash: "a".repeat(64),
  issuedAt: 1_700_000_000_000,
};

test("a ticket says what was put into it", () => {
  expect(ours.open(ours.issue(adoption))).toEqual(adoption);
});

test.each([
  ["of another installation", () => new Tickets(key()).issue(adoption)],
  [
    "with another content",
    () =>
      ours
        .issue(adoption)
        .replace(/\.[^.]+\./, `.${Buffer.from(JSON.stringify({ ...adoption, host: "web-2" })).toString("base64url")}.`),
  ],
  [
    "of another type",
    () => ours.issue(adoption).replace(/^[^.]+/, Buffer.from('{"alg":"none"}').toString("base64url")),
  ],
  ["without a signature", () => ours.issue(adoption).replace(/[^.]+$/, "")],
  ["that is nothing of the kind", () => "x".repeat(100)],
  ["that is endless", () => `${ours.issue(adoption)}${"x".repeat(4000)}`],
])("a ticket %s opens nothing", (_, ticket) => {
  expect(ours.open(ticket())).toBeUndefined();
});
