import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, inject } from "vitest";
import { attach, type RunningCluster } from "../hack/cluster/cluster.ts";
import { kubectl } from "../hack/cluster/kubectl.ts";

export interface TestNamespace {
  /** The control plane of this test run, CRDs applied. Never stop it or its API server: others use it at the same time. */
  readonly cluster: RunningCluster;
  /** A namespace that only this test file uses. */
  readonly namespace: string;
  /** kubectl as admin in that namespace; returns what it printed, throws with its message. */
  kubectl(args: readonly string[], input?: string): Promise<string>;
}

/** Call it at the top of a test file (or of a describe): the namespace exists before its tests and is deleted after. */
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
  return {
    cluster,
    namespace,
    kubectl: (args, input) => kubectl(cluster, ["--namespace", namespace, ...args], input),
  };
}
