import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, inject } from "vitest";
import { attach, type RunningCluster } from "../hack/cluster/cluster.ts";
import { kubectl } from "../hack/cluster/kubectl.ts";

export type TestNamespace = ReturnType<typeof inNamespace>;

/** `cluster` has the CRDs. The namespace need not exist yet. */
export function inNamespace(cluster: RunningCluster, namespace: string) {
  /** kubectl as admin in that namespace; returns what it printed, throws with its message. */
  const asAdmin = (args: readonly string[], input?: string) =>
    kubectl(cluster, ["--namespace", namespace, ...args], input);
  return {
    cluster,
    namespace,
    kubectl: asAdmin,
    get: async (kind: string, name: string) => JSON.parse(await asAdmin(["get", kind, name, "-o", "json"])),
    /** Creates a resource of one of our kinds and resolves with it. */
    async create(kind: string, name: string, spec: object, metadata: object = {}) {
      const manifest = { apiVersion: "holdfast.dev/v1alpha1", kind, metadata: { name, ...metadata }, spec };
      return JSON.parse(await asAdmin(["create", "-o", "json", "-f", "-"], JSON.stringify(manifest)));
    },
  };
}

/**
 * Call it at the top of a test file (or of a describe): a namespace that only this test file uses exists before its tests
 * and is deleted after. Never stop its control plane or that one's API server: others use it at the same time.
 */
export function testNamespace(): TestNamespace {
  const cluster = attach(inject("clusterDirectory"));
  const namespace = `test-${randomBytes(5).toString("hex")}`;
  beforeAll(async () => {
    await kubectl(cluster, ["create", "namespace", namespace]);
  });
  afterAll(async () => {
    // Its content goes meanwhile, or with the control plane; nobody waits for it.
    await kubectl(cluster, ["delete", "namespace", namespace, "--wait=false"]);
  });
  return inNamespace(cluster, namespace);
}
