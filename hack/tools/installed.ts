import { execFile } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, isAbsolute } from "node:path";
import type { ToolName } from "./modules.ts";
import { fits } from "./version.ts";

/** How each program is asked for its version, and where its answer holds it. */
const questions: Record<ToolName, { args: string[]; answer: RegExp }> = {
  "kube-apiserver": { args: ["--version"], answer: /^Kubernetes (\S+)$/m },
  "kube-controller-manager": { args: ["--version"], answer: /^Kubernetes (\S+)$/m },
  kubectl: { args: ["version", "--client"], answer: /^Client Version: (\S+)$/m },
  etcd: { args: ["--version"], answer: /^etcd Version: (\S+)$/m },
  restic: { args: ["version"], answer: /^restic (\S+)/m },
  "rest-server": { args: ["--version"], answer: /^rest-server version (?:rest-server )?(\S+)/m },
};

const ANSWER_WITHIN_MS = 10_000;

/** The first program in `searchPath` (as PATH) named `tool` whose version, as it reports it, fits the pinned one. */
export async function findInstalled(tool: ToolName, pinned: string, searchPath: string): Promise<string | undefined> {
  for (const folder of searchPath.split(delimiter)) {
    const path = `${folder}/${tool}`;
    if (!isAbsolute(folder) || !isExecutable(path)) continue;
    if (fits((await reportedVersion(tool, path)) ?? "", pinned)) return path;
  }
  return undefined;
}

/** What the program at `path` says its version is; undefined when it does not run or says something else. */
function reportedVersion(tool: ToolName, path: string): Promise<string | undefined> {
  const { args, answer } = questions[tool];
  return new Promise((resolve) => {
    execFile(path, args, { timeout: ANSWER_WITHIN_MS, encoding: "utf8" }, (error, stdout) => {
      resolve(error === null ? answer.exec(stdout)?.[1] : undefined);
    });
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
