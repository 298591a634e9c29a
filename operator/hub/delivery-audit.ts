import type { Caches } from "../controllers/caches.ts";
import type { Log } from "../kube/log.ts";
import { audit } from "./audit.ts";
import { type Desired, type DesiredSource, type HostIdentity, type HostKey, hostKey } from "./ports.ts";

/** Which repositories' credentials, and which commands, a host was last given. */
interface Delivered {
  readonly uid: string;
  readonly config: string | undefined;
  readonly commands: ReadonlySet<string>;
}

/** Writes into the audit trail what a host is to be sent, when that changes: names and ids, never values. */
export class DeliveryAudit implements DesiredSource {
  readonly #source: DesiredSource;
  readonly #hosts: Caches["hosts"];
  readonly #log: Log;
  readonly #delivered = new Map<HostKey, Delivered>();

  constructor(parts: { readonly source: DesiredSource; readonly caches: Pick<Caches, "hosts">; readonly log: Log }) {
    this.#source = parts.source;
    this.#hosts = parts.caches.hosts;
    this.#log = parts.log;
    this.#hosts.onChange(({ type, object }) => {
      if (type === "deleted") this.#delivered.delete(`${object.metadata.namespace}/${object.metadata.name}`);
    });
  }

  async desired(host: HostIdentity, held: readonly string[], signal: AbortSignal): Promise<Desired> {
    const desired = await this.#source.desired(host, held, signal);
    this.#note(host, desired);
    return desired;
  }

  #note(identity: HostIdentity, { config, commands }: Desired): void {
    const key = hostKey(identity);
    const host = this.#hosts.get(key);
    if (host === undefined) return;
    const known = this.#delivered.get(key);
    const last = known?.uid === identity.uid ? known : undefined;
    if (config !== undefined && config.id !== last?.config && config.repositories.length > 0) {
      const repositories = config.repositories.map(({ name, uid }) => ({ name, uid }));
      audit(this.#log, "credentials-delivered", host, { config: config.id, repositories });
    }
    for (const command of commands) {
      if (last?.commands.has(command.id) === true) continue;
      const repository = "repository" in command ? { repository: command.repository.name } : {};
      audit(this.#log, "command-delivered", host, { command: command.id, type: command.type, ...repository });
    }
    const ids = new Set(commands.map(({ id }) => id));
    this.#delivered.set(key, { uid: identity.uid, config: config?.id ?? last?.config, commands: ids });
  }
}
