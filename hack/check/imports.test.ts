import { expect, test } from "vitest";
import { importsOf, importViolation } from "./imports.ts";

test.each([
  ["base imports nothing of the project", "base/clock.ts", "../crds/types/host.ts"],
  ["base imports nothing by an alias either", "base/clock.ts", "#protocol/frames.ts"],
  ["the Kubernetes runtime knows nothing of backups", "operator/kube/reflector.ts", "../controllers/host/reconcile.ts"],
  ["the Kubernetes runtime does not know the wire", "operator/kube/reflector.ts", "#protocol/frames.ts"],
  ["controllers do not import the hub", "operator/controllers/policy/reconcile.ts", "../../hub/plan.ts"],
  ["controllers do not import http", "operator/controllers/policy/reconcile.ts", "../../http/server.ts"],
  ["the operator imports of the agent only the protocol", "operator/hub/session.ts", "../../agent/link/core.ts"],
  ["the agent imports nothing of the operator", "agent/link/link.ts", "../../operator/hub/session.ts"],
  ["the protocol does not import the rest of the agent", "agent/protocol/frames.ts", "../state/database.ts"],
  ["generated types import nothing but each other", "crds/types/host.ts", "#base/errors.ts"],
  ["the plugin does not import the operator", "cli/main.ts", "../operator/kube/client.ts"],
  ["no product code imports developer tools", "agent/main.ts", "../hack/cluster/cluster.ts"],
  ["no product code imports test code", "operator/main.ts", "../test/namespace.ts"],
])("%s", (_, file, specifier) => expect(importViolation(file, specifier)).toContain(`${file} imports `));

test.each([
  ["base is importable by all", "operator/kube/client.ts", "#base/errors.ts"],
  ["a file imports its neighbour", "operator/kube/client.ts", "./transport.ts"],
  ["the wiring imports every part of the operator", "operator/main.ts", "./hub/session.ts"],
  ["controllers use the Kubernetes runtime", "operator/controllers/host/reconcile.ts", "../../kube/client.ts"],
  ["the operator speaks the protocol", "operator/hub/session.ts", "#protocol/frames.ts"],
  ["packages are allowed", "base/clock.ts", "undici"],
  ["node's own modules are allowed", "agent/state/database.ts", "node:sqlite"],
  [
    "an integration test beside its file uses the harness",
    "operator/kube/client.integration.test.ts",
    "../../test/namespace.ts",
  ],
  ["tools may import anything", "hack/demo/main.ts", "../../operator/main.ts"],
  ["tests may import anything", "test/integration/link.test.ts", "../../agent/link/link.ts"],
])("%s", (_, file, specifier) => expect(importViolation(file, specifier)).toBeUndefined());

test("a test's neighbours are bound by the same rules", () => {
  expect(importViolation("agent/link/link.test.ts", "../../operator/hub/session.ts")).toContain(
    "agent/ may import only base",
  );
});

test("every form of import is seen", () => {
  const source = `
    import "reflect-metadata";
    import { a } from "./a.ts";
    import {
      type B,
      c,
    } from '#base/b.ts';
    export type { D } from "./d.ts";
    const e = await import("./e.ts");
  `;
  expect(importsOf(source)).toEqual(["reflect-metadata", "./a.ts", "#base/b.ts", "./d.ts", "./e.ts"]);
});
