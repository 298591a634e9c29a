import { expect, test } from "vitest";
import type { Client } from "../kube/client.ts";
import { authorize } from "./access.ts";

test("whoever decides on a right hears all that the API server knows of who asks", async () => {
  const user = {
    username: "reader",
    uid: "1",
    groups: ["people"],
    extra: { "authentication.kubernetes.io/pod-name": ["web-0"], scopes: ["a", "b"] },
  };
  const sent: unknown[] = [];
  const create = async (kind: { plural: string }, { spec }: { spec: object }) => {
    sent.push(spec);
    return { status: kind.plural === "tokenreviews" ? { authenticated: true, user } : { allowed: true } };
  };
  const wish = { nonResourceAttributes: { path: "/metrics", verb: "get" } };
  const client = { create } as unknown as Pick<Client, "create">;
  await authorize(client, "token", wish, String, new AbortController().signal);
  const { username, ...known } = user;
  expect(sent).toEqual([{ token: "token" }, { user: username, ...known, ...wish }]);
});
