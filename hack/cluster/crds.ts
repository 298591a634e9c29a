import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { RunningCluster } from "./cluster.ts";
import { kubectl } from "./kubectl.ts";

const folder = fileURLToPath(new URL("../../crds", import.meta.url));

/** Applies all of crds/ and resolves when the API server serves every kind. */
export async function applyCRDs(cluster: RunningCluster): Promise<void> {
  const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));
  if (files.length === 0) return;
  const names = ["-f", files.map((file) => `${folder}/${file}`).join(",")];
  await kubectl(cluster, ["apply", "--server-side", ...names]);
  await kubectl(cluster, ["wait", "--for=condition=Established", "--timeout=60s", ...names]);
}
