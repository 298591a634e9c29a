import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import type { RunningCluster } from "../cluster/cluster.ts";
import { kubectl } from "../cluster/kubectl.ts";

const manifests = fileURLToPath(new URL("../../charts/holdfast/rbac", import.meta.url));

interface Manifest {
  kind: string;
  metadata: { name: string };
  roleRef?: { kind: string; name: string };
  subjects?: { namespace: string }[];
}

/**
 * Applies charts/holdfast/rbac for an operator that lives in `system` and serves `watched`, and returns a kubeconfig with the
 * identity its ServiceAccount has in a pod: exactly the permissions of the manifests, and no others. What is not of a
 * namespace is named after `system`, so that several operators can share a control plane.
 */
export async function operatorKubeconfig(cluster: RunningCluster, system: string, watched: string): Promise<string> {
  for (const [folder, namespace] of [
    ["operator", system],
    ["watched", watched],
  ] as const) {
    const objects = readdirSync(join(manifests, folder)).flatMap((file) =>
      parseAllDocuments(readFileSync(join(manifests, folder, file), "utf8")).map((document) => {
        const object = document.toJS() as Manifest;
        for (const subject of object.subjects ?? []) subject.namespace = system;
        if (object.kind.startsWith("Cluster")) object.metadata.name = `${object.metadata.name}-${system}`;
        if (object.roleRef?.kind === "ClusterRole") object.roleRef.name = `${object.roleRef.name}-${system}`;
        return object;
      }),
    );
    const list = { apiVersion: "v1", kind: "List", items: objects };
    await kubectl(cluster, ["--namespace", namespace, "apply", "--filename=-"], JSON.stringify(list));
  }
  return cluster.kubeconfigFor(`system:serviceaccount:${system}:holdfast-operator`, [
    "system:serviceaccounts",
    `system:serviceaccounts:${system}`,
    "system:authenticated",
  ]);
}
