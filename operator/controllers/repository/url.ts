/**
 * One spelling for all ways to write the same repository, so that two resources for one are noticed. Undefined where the
 * url does not say which repository it is without the host it is read on: a path, an rclone remote.
 */
export function canonicalURL(url: string): string | undefined {
  if (url.startsWith("/") || url.startsWith("rclone:")) return undefined;
  const [, scheme, rest] = /^([a-z0-9]+):(.*)$/s.exec(url) ?? [];
  if (scheme === undefined || rest === undefined) return trimmed(url);
  // restic takes an S3 endpoint with and without https, which is what it uses then.
  const address = scheme === "s3" && !/^https?:\/\//.test(rest) ? `https://${rest.replace(/^\/+/, "")}` : rest;
  if (!/^https?:\/\//.test(address) || !URL.canParse(address)) return `${scheme}:${trimmed(rest)}`;
  // WHATWG's parser lower-cases the host and drops the scheme's own port.
  const { protocol, host, pathname } = new URL(address);
  return `${scheme}:${protocol}//${host}${trimmed(pathname)}`;
}

function trimmed(path: string): string {
  return path.replace(/\/{2,}/g, "/").replace(/\/+$/, "");
}
