import type { Identity } from "../../../agent/link/core.ts";
import type { Connection, Listener } from "../../../agent/link/dial.ts";
import { running } from "../process.ts";
import { network } from "../wire.ts";

/** Stands in for agent/link/dial.ts. */
export function dial(identity: Identity, listener: Listener): Connection {
  const wire = running.process && network.connect(identity, running.process, listener);
  return {
    send(text, _sent) {
      wire?.toServer(() => wire.server.hear(text));
    },
    buffered: 0,
    close: (code, reason) => wire?.agentCloses(code, reason),
  };
}
