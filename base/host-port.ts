export interface HostPort {
  /** A name or an address; an IPv6 one without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Reads host:port, IPv6 in brackets; undefined where it is none. What it takes can stand in a URL as it is. */
export function readHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65535 || !URL.canParse(`https://${text}`)) return undefined;
  return { host: match[1] ?? match[2]!, port };
}

export function writeHostPort({ host, port }: HostPort): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
