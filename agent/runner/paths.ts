/**
 * Users write and read paths of the host; in a container restic sees the host's root below a prefix (`/host`). All that
 * goes to restic passes `toRestic`, all that is shown passes `toHost`.
 */
export interface Paths {
  /** Where the host's root lies for restic; empty where it is the same. */
  readonly root: string;
  toRestic(hostPath: string): string;
  toHost(resticPath: string): string;
  /** A pattern that begins with `/` (or `!/`) is a path; any other matches anywhere and stays. */
  patternToRestic(pattern: string): string;
  /** Removes the prefix wherever a path begins with it in running text. */
  textToHost(text: string): string;
}

/** `root` is absolute without a trailing slash; empty where restic sees the host's own root. */
export function pathsBelow(root: string): Paths {
  if (root === "" || root === "/") {
    const same = (text: string) => text;
    return { root: "", toRestic: same, toHost: same, patternToRestic: same, textToHost: same };
  }
  // A path in a message begins after a blank, a quote or a bracket; elsewhere the same letters are part of a longer path.
  const inText = new RegExp(`(^|[\\s"'\`(\\[<:=,])${root.replace(/[.*+?^${"$"}{}()|[\]\\]/g, "\\$&")}(?=/)`, "gm");
  return {
    root,
    toRestic: (path) => (path === "/" ? root : root + path),
    toHost: (path) => (path === root ? "/" : path.startsWith(`${root}/`) ? path.slice(root.length) : path),
    patternToRestic(pattern) {
      if (pattern.startsWith("/")) return root + pattern;
      return pattern.startsWith("!/") ? `!${root}${pattern.slice(1)}` : pattern;
    },
    textToHost: (text) => text.replace(inText, "$1"),
  };
}
