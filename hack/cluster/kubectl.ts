import { spawn } from "node:child_process";
import { HoldfastError } from "#base/errors.ts";
import type { RunningCluster } from "./cluster.ts";

/**
 * Runs the real kubectl as the cluster's admin, with `input` on its standard input, and returns what it printed.
 * Throws with kubectl's own message when it fails.
 */
export function kubectl(
  cluster: Pick<RunningCluster, "kubectl" | "environment">,
  args: readonly string[],
  input = "",
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(cluster.kubectl, args, {
      env: { PATH: process.env["PATH"] ?? "", ...cluster.environment },
      stdio: ["pipe", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      stdout += chunk;
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      stderr += chunk;
    });
    child.stdin.on("error", () => {}); // it ended without reading all: its exit code says why
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(stdout);
      else
        reject(
          new HoldfastError("kubectl/failed", `kubectl ${args.join(" ")}: ${stderr.trim() || `exit code ${code}`}`),
        );
    });
    child.stdin.end(input);
  });
}
