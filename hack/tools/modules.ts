import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { HoldfastError } from "#base/errors.ts";

export type ToolName = "kube-apiserver" | "kube-controller-manager" | "kubectl" | "etcd" | "restic" | "rest-server";

/** A Go module beside this file, and the programs that its one binary is. */
export interface ToolModule {
  name: string;
  folder: string;
  /** The package to build, as `go build` takes it in `folder`. */
  target: string;
  programs: ToolName[];
  /** The version that go.mod pins: "1.34.4". */
  version: string;
  /** go.mod's go directive: the oldest Go that builds it. */
  goVersion: string;
  linkerFlags: string;
}

interface Recipe {
  target: string;
  programs: ToolName[];
  /** The Go module in go.mod whose version is the tool's. */
  pinnedBy: string;
  /** Linker variables that make the binary report its version, which a plain `go build` leaves unset. */
  stamp(version: string): string[];
}

const recipes: Record<string, Recipe> = {
  etcd: {
    target: "go.etcd.io/etcd/server/v3",
    programs: ["etcd"],
    pinnedBy: "go.etcd.io/etcd/server/v3",
    stamp: () => [],
  },
  kubernetes: {
    target: ".",
    programs: ["kube-apiserver", "kube-controller-manager", "kubectl"],
    pinnedBy: "k8s.io/kubernetes",
    stamp: (version) => {
      const [major, minor] = version.split(".");
      return [`gitVersion=v${version}`, `gitMajor=${major}`, `gitMinor=${minor}`].map(
        (setting) => `k8s.io/component-base/version.${setting}`,
      );
    },
  },
  restic: {
    target: "github.com/restic/restic/cmd/restic",
    programs: ["restic"],
    pinnedBy: "github.com/restic/restic",
    stamp: (version) => [`main.version=${version}`],
  },
  "rest-server": {
    target: "github.com/restic/rest-server/cmd/rest-server",
    programs: ["rest-server"],
    pinnedBy: "github.com/restic/rest-server",
    stamp: (version) => [`main.version=${version}`],
  },
};

export const toolNames: ToolName[] = Object.values(recipes).flatMap((recipe) => recipe.programs);

/** The module that builds `tool`, as its go.mod says. */
export function moduleOf(tool: ToolName): ToolModule {
  const [name, recipe] = Object.entries(recipes).find(([, { programs }]) => programs.includes(tool))!;
  const folder = fileURLToPath(new URL(name, import.meta.url));
  const goMod = readFileSync(`${folder}/go.mod`, "utf8");
  const version = findLine(
    goMod,
    new RegExp(`^\\s*(?:require )?${recipe.pinnedBy.replaceAll(".", "\\.")} v(\\S+)`, "m"),
  );
  const goVersion = findLine(goMod, /^go (\S+)$/m);
  if (version === undefined || goVersion === undefined) {
    throw new HoldfastError(
      "tools/go-mod",
      `${folder}/go.mod names no version of ${recipe.pinnedBy} or no go directive: restore it from git`,
    );
  }
  const linkerFlags = ["-s -w", ...recipe.stamp(version).map((setting) => `-X ${setting}`)].join(" ");
  return { name, folder, target: recipe.target, programs: recipe.programs, version, goVersion, linkerFlags };
}

/** Changes with everything that decides what the binary is, so that a cached one is never stale. */
export function moduleKey(module: ToolModule, platform: string): string {
  const hash = createHash("sha256").update(
    JSON.stringify([module.target, module.programs, module.linkerFlags, platform]),
  );
  for (const file of ["go.mod", "go.sum", "main.go"]) {
    if (existsSync(`${module.folder}/${file}`)) hash.update(readFileSync(`${module.folder}/${file}`));
  }
  return hash.digest("hex").slice(0, 16);
}

function findLine(text: string, pattern: RegExp): string | undefined {
  return pattern.exec(text)?.[1];
}
