import type { TestProject } from "vitest/node";
import { startCluster } from "../hack/cluster/cluster.ts";
import { applyCRDs } from "../hack/cluster/crds.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** The folder of the control plane that all test files of a run share. */
    clusterDirectory: string;
  }
}

/** vitest's global set-up of the integration tests: one control plane a run, with the CRDs. Returns the tear-down. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const cluster = await startCluster({ report: (line) => console.error(line) });
  try {
    await applyCRDs(cluster);
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  project.provide("clusterDirectory", cluster.directory);
  return () => cluster.stop();
}
