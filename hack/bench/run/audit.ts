import { readFileSync } from "node:fs";

/** What the API server's audit log says of one answered request, as far as the benchmark needs it. */
export interface Request {
  verb: string;
  user: string;
  userAgent: string;
  resource: string;
  subresource: string;
  name: string;
  code: number;
  /** Milliseconds since 1970, with fractions. */
  received: number;
  answered: number;
}

const WRITES = new Set(["create", "update", "patch", "apply", "delete", "deletecollection"]);

interface AuditEvent {
  verb: string;
  user: { username: string };
  userAgent?: string;
  objectRef?: { resource?: string; subresource?: string; name?: string };
  responseStatus?: { code?: number };
  requestReceivedTimestamp: string;
  stageTimestamp: string;
}

/** Every answered request in the log at `path`, in the order of their answers. */
export function readAudit(path: string): Request[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.includes('"ResponseComplete"'))
    .map((line) => {
      const event = JSON.parse(line) as AuditEvent;
      return {
        verb: event.verb,
        user: event.user.username,
        userAgent: event.userAgent ?? "",
        resource: event.objectRef?.resource ?? "",
        subresource: event.objectRef?.subresource ?? "",
        name: event.objectRef?.name ?? "",
        code: event.responseStatus?.code ?? 0,
        received: time(event.requestReceivedTimestamp),
        answered: time(event.stageTimestamp),
      };
    });
}

/** Requests that changed something, Leases apart: those are the price of liveness, not of a run. */
export function writes(requests: readonly Request[]): Request[] {
  return requests.filter(({ verb, resource, code }) => WRITES.has(verb) && resource !== "leases" && code < 300);
}

/** Date.parse drops what is below a millisecond; audit times have microseconds. */
function time(text: string): number {
  const fraction = /\.(\d+)Z$/.exec(text)?.[1] ?? "";
  return Date.parse(text.replace(/\.\d+Z$/, "Z")) + Number(`0.${fraction || "0"}`) * 1000;
}
