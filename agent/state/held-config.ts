import { existsSync, readFileSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { config, policyPlan, type RepositoryAccess, repositoryAccess } from "#protocol/config.ts";
import { line } from "#protocol/text.ts";
import type { Log } from "../log.ts";
import { inTransaction } from "./database.ts";
import { writeDurably } from "./durable-file.ts";
import type { Seal } from "./seal.ts";
import type { Vault } from "./vault.ts";

/** The configuration in force: every policy resolved (a kept one is the copy that was held), nothing left to ask for. */
const heldConfig = config
  .omit({ policies: true, tombstones: true, repositories: true })
  .extend({ policies: z.array(policyPlan), repositories: z.array(repositoryAccess) });
export type HeldConfig = z.infer<typeof heldConfig>;

/** Kept twice, in the database and in a sealed file: a damaged database must not cost a schedule. */
export interface ConfigStore {
  read(): HeldConfig | undefined;
  write(held: HeldConfig, now: number): void;
}

const FILE = "config.sealed";

export function openConfig(database: DatabaseSync, vault: Vault, seal: Seal, file: string, log: Log): ConfigStore {
  const select = database.prepare("SELECT value FROM config");
  const upsert = database.prepare(
    `INSERT INTO config (only_row, id, value, applied) VALUES (1, ?, ?, ?)
     ON CONFLICT (only_row) DO UPDATE SET id = excluded.id, value = excluded.value, applied = excluded.applied`,
  );

  let current = fromDatabase();
  if (current === undefined && existsSync(file)) {
    current = readable(JSON.parse(Buffer.from(seal.open(FILE, readFileSync(file))).toString("utf8")));
    if (current !== undefined) toDatabase(current, 0);
  }

  /** What another version of the agent has kept in a form that this one does not know must not keep it from starting. */
  function readable(kept: unknown): HeldConfig | undefined {
    const { data, error } = heldConfig.safeParse(kept);
    if (error !== undefined) {
      log.error(
        { error: line(z.prettifyError(error)) },
        "the kept configuration was written by another version of the agent and cannot be read: no schedule fires until the operator has sent it again",
      );
    }
    return data;
  }

  function fromDatabase(): HeldConfig | undefined {
    const value = select.get()?.["value"];
    if (typeof value !== "string") return undefined;
    return readable({ ...JSON.parse(value), repositories: vault.get("repositories") });
  }

  function toDatabase(held: HeldConfig, now: number): void {
    inTransaction(database, () => {
      const repositories = held.repositories.map(withoutSecrets);
      upsert.run(held.id, JSON.stringify({ ...held, repositories }), now);
      vault.put("repositories", held.repositories);
    });
  }

  return {
    read: () => current,
    write(held, now) {
      toDatabase(held, now);
      writeDurably(file, seal.close(FILE, Buffer.from(JSON.stringify(held))));
      current = held;
    },
  };
}

/** What may be shown of a repository: which one, and the names of the variables it sets. */
function withoutSecrets({ password, env, ca: _ca, ...visible }: RepositoryAccess): object {
  return { ...visible, password: "host" in password ? password : "sealed", env: Object.keys(env).sort() };
}
