/** The parts of package-lock.json (lockfileVersion 3) that are read here. */
export interface Lock {
  packages: Record<string, LockedPackage>;
}

export interface LockedPackage {
  version?: string;
  resolved?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

const systems = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
const processors = ["arm", "arm64", "ia32", "ppc64", "riscv64", "s390x", "x64"];

/**
 * Adds the binary packages for other platforms that `npm install` left out of the lock. npm drops an optional package
 * whose registry does not serve it at that moment, and `npm ci` then refuses the lock, also on machines that never need
 * that package. Version, system and processor follow from the dependency itself; npm does not fetch what does not fit.
 */
export function completeLock(lock: Lock): Lock {
  const packages = { ...lock.packages };
  for (const [path, parent] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
      const platform = platformOf(name);
      if (platform === undefined || !/^\d+\.\d+\.\d+$/.test(version) || isLocked(packages, path, name)) continue;
      packages[`node_modules/${name}`] = {
        version,
        ...(parent.dev === true && { dev: true }),
        optional: true,
        ...platform,
      };
    }
  }
  const sorted = Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...lock, packages: Object.fromEntries(sorted) };
}

/** What a package named like `@biomejs/cli-linux-arm64-musl` is for; undefined when the name says no platform. */
function platformOf(name: string): Pick<LockedPackage, "os" | "cpu" | "libc"> | undefined {
  const words = name.split(/[/-]/);
  const os = systems.find((system) => words.includes(system));
  const cpu = processors.find((processor) => words.includes(processor));
  if (os === undefined || cpu === undefined) return undefined;
  const libc = words.includes("musl") ? ["musl"] : words.includes("gnu") && os === "linux" ? ["glibc"] : undefined;
  return { os: [os], cpu: [cpu], ...(libc !== undefined && { libc }) };
}

/** Whether `name` is locked where Node would find it from the package at `path`. */
function isLocked(packages: Record<string, LockedPackage>, path: string, name: string): boolean {
  for (let folder = path; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))) {
    if (packages[`${folder === "" ? "" : `${folder}/`}node_modules/${name}`] !== undefined) return true;
    if (folder === "") return false;
  }
}
