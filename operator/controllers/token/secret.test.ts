import { expect, test } from "vitest";
import { ownerReference, type Secret } from "../../kube/resource.ts";
import { tokenOf } from "../fixtures.ts";
import { EnrollmentTokens } from "../kinds.ts";
import { planSecret } from "./secret.ts";

const address = { server: "https://holdfast.example.com:8443", pin: `sha256/${"A".repeat(43)}=` };
const fresh = "s".repeat(43);
const token = tokenOf("web");
const id = token.metadata.uid.replaceAll("-", "");

function decoded(data: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString()]));
}

function existing(data: Record<string, string>, owner = ownerReference(EnrollmentTokens, token)): Secret {
  const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")]);
  const metadata = {
    name: "holdfast-token-web",
    namespace: "team",
    uid: "secret-1",
    resourceVersion: "1",
    ownerReferences: [owner],
  };
  return { apiVersion: "v1", kind: "Secret", metadata, data: Object.fromEntries(encoded) };
}

const made = {
  token: `hft_${id}_${fresh}`,
  server: address.server,
  pin: address.pin,
  command: `holdfast-agent enroll --server https://holdfast.example.com:8443 --pin ${address.pin} --token-file -`,
};

test("a token without a Secret gets one, whose command does not show the token", () => {
  const plan = planSecret(token, undefined, address, fresh);
  if (plan.do !== "create") throw new Error(plan.do);
  expect(decoded(plan.draft.data)).toEqual(made);
  expect(plan.draft.metadata.ownerReferences).toEqual([ownerReference(EnrollmentTokens, token)]);
});

test("a Secret that is right is left alone", () => {
  expect(planSecret(token, existing(made), address, "other")).toEqual({ do: "nothing" });
});

test("a new address is written, the token stays", () => {
  const plan = planSecret(token, existing(made), { server: "https://new.example.com", pin: undefined }, "t".repeat(43));
  if (plan.do !== "update") throw new Error(plan.do);
  expect(plan.draft.metadata).toEqual({ resourceVersion: existing(made).metadata.resourceVersion });
  expect(decoded(plan.draft.data)).toEqual({
    token: made.token,
    server: "https://new.example.com",
    pin: "",
    command: "holdfast-agent enroll --server https://new.example.com --token-file -",
  });
});

test("a token that was overwritten with something else is made anew", () => {
  const plan = planSecret(token, existing({ ...made, token: "hft_of-another" }), address, fresh);
  if (plan.do !== "update") throw new Error(plan.do);
  expect(decoded(plan.draft.data)["token"]).toBe(made.token);
});

test("the Secret of an earlier EnrollmentToken of the same name is deleted, because its token is another one", () => {
  const owner = { ...ownerReference(EnrollmentTokens, token), uid: "earlier" };
  expect(planSecret(token, existing(made, owner), address, fresh)).toEqual({ do: "delete", uid: "secret-1" });
});

test("a Secret that is somebody else's is not touched", () => {
  const owner = { ...ownerReference(EnrollmentTokens, token), kind: "Other", uid: "other" };
  expect(planSecret(token, existing(made, owner), address, fresh)).toEqual({
    do: "refuse",
    message:
      "Secret holdfast-token-web is there already and not the operator's; delete it, or give this EnrollmentToken another name",
  });
});
