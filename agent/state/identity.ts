import { existsSync, readFileSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import type { Identity } from "../link/core.ts";
import { inTransaction } from "./database.ts";
import { writeDurably } from "./durable-file.ts";
import type { Seal } from "./seal.ts";
import type { Vault } from "./vault.ts";

const secrets = z.object({ credential: z.string(), ticket: z.string(), nonce: z.string().optional() });
const open = z.object({
  host: z.object({ uid: z.string(), namespace: z.string(), name: z.string() }),
  clusterID: z.string(),
  endpoint: z.string(),
  ca: z.array(z.string()),
  highestEpoch: z.number(),
});

/** Who this agent is. Kept twice, in the database and in a sealed file, because losing it means to enrol again. */
export interface IdentityStore {
  /** Undefined before the enrolment. */
  read(): Identity | undefined;
  write(identity: Identity): void;
}

export function openIdentity(database: DatabaseSync, vault: Vault, seal: Seal, file: string): IdentityStore {
  const select = database.prepare("SELECT value FROM identity");
  const upsert = database.prepare(
    "INSERT INTO identity (only_row, value) VALUES (1, ?) ON CONFLICT (only_row) DO UPDATE SET value = excluded.value",
  );

  let current = fromDatabase();
  if (current === undefined && existsSync(file)) {
    const saved: unknown = JSON.parse(Buffer.from(seal.open("identity.sealed", readFileSync(file))).toString("utf8"));
    current = joined(open.parse(saved), secrets.parse(saved));
    toDatabase(current);
  }

  function fromDatabase(): Identity | undefined {
    const value = select.get()?.["value"];
    if (typeof value !== "string") return undefined;
    return joined(open.parse(JSON.parse(value)), secrets.parse(vault.get("identity")));
  }

  function toDatabase({ credential, ticket, nonce, ...rest }: Identity): void {
    inTransaction(database, () => {
      upsert.run(JSON.stringify(rest));
      vault.put("identity", { credential, ticket, nonce });
    });
  }

  return {
    read: () => current,
    write(identity) {
      // First of all: on a full disk this process at least goes on as what it was told to be.
      current = identity;
      toDatabase(identity);
      writeDurably(file, seal.close("identity.sealed", Buffer.from(JSON.stringify(identity))));
    },
  };
}

function joined(visible: z.infer<typeof open>, { nonce, ...hidden }: z.infer<typeof secrets>): Identity {
  return { ...visible, ...hidden, ...(nonce === undefined ? {} : { nonce }) };
}
