import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const STATE = { established: "01", listening: "0A" } as const;

/** How many established TCP connections to `port` (of any loopback address) the process holds. */
export function connectionsTo(pid: number, port: number): number {
  return socketsOf(pid, "established").filter(({ remotePort }) => remotePort === port).length;
}

/** The TCP ports on which the process listens. */
export function listeningPorts(pid: number): number[] {
  return socketsOf(pid, "listening").map(({ localPort }) => localPort);
}

function socketsOf(pid: number, state: keyof typeof STATE): { localPort: number; remotePort: number }[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return []; // Closed meanwhile.
      }
    }),
  );
  const port = (address = "") => Number.parseInt(address.split(":")[1] ?? "", 16);
  return ["tcp", "tcp6"]
    .flatMap((table) => readFileSync(`/proc/${pid}/net/${table}`, "utf8").trim().split("\n").slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((field) => field[3] === STATE[state] && inodes.has(field[9] ?? ""))
    .map((field) => ({ localPort: port(field[1]), remotePort: port(field[2]) }));
}

/** Resident memory of a process in MiB. */
export function residentMiB(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? 0) / 1024;
}
