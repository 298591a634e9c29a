import { expect, test } from "vitest";
import type { Host } from "#crds/host.ts";
import { condition, connectedHost, hostOf, repositoryOf } from "../fixtures.ts";
import { chooseInitializer } from "./initializer.ts";

const web1 = connectedHost("web-1");
const web2 = connectedHost("web-2");
const chosen = { status: { initializer: { hostRef: "web-2", hostUID: "host-web-2" } } };
const annotated = { annotations: { "holdfast.dev/initializer": "web-1" } };

test.each<[string, Parameters<typeof repositoryOf>[1], Host[], string | undefined]>([
  ["nobody, without a connected host", {}, [hostOf("web-1")], undefined],
  ["the first connected one by name", {}, [web2, web1], "web-1"],
  [
    "not one whose identity two machines show",
    {},
    [
      connectedHost("web-1", {
        status: { conditions: [condition("Connected", "True"), condition("IdentityConflict", "True")] },
      }),
      web2,
    ],
    "web-2",
  ],
  ["the one that was chosen stays", chosen, [web1, web2], "web-2"],
  ["it stays also while it is away", chosen, [web1, hostOf("web-2")], "web-2"],
  ["revoked, it is replaced", chosen, [web1, connectedHost("web-2", { spec: { revoked: true } })], "web-1"],
  [
    "deleted and created again under its name, it is another host",
    chosen,
    [web1, hostOf("web-2", { uid: "new" })],
    "web-1",
  ],
  ["deleted, with nobody else connected, there is none", chosen, [hostOf("web-1")], undefined],
  ["the annotation moves it", { ...chosen, ...annotated }, [web1, web2], "web-1"],
  ["an annotation that names no Host changes nothing", { ...chosen, ...annotated }, [web2], "web-2"],
])("%s", (_, parts, hosts, want) => {
  const byName = (name: string) => hosts.find((host) => host.metadata.name === name);
  expect(chooseInitializer(repositoryOf("offsite", parts), byName, hosts)?.hostRef).toBe(want);
});
