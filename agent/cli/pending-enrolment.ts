import { existsSync, readFileSync, rmSync } from "node:fs";
import { z } from "zod";
import { secret } from "#base/random.ts";
import { writeDurably } from "../state/durable-file.ts";
import { sealFrom } from "../state/seal.ts";
import { FILES } from "../state/state.ts";

const FILE = "enrolment.sealed";
const pending = z.object({ tokenID: z.string(), secret: z.string() });

/**
 * The credential's secret (256 bits) for an enrolment with this token: made and stored before the request goes out, so
 * that the same request can be sent again after a lost answer. Another token begins another enrolment.
 */
export function credentialSecret(stateDir: string, tokenID: string): string {
  const file = `${stateDir}/${FILE}`;
  const seal = sealFrom(`${stateDir}/${FILES.key}`, false);
  if (existsSync(file)) {
    const begun = pending.parse(JSON.parse(Buffer.from(seal.open(FILE, readFileSync(file))).toString("utf8")));
    if (begun.tokenID === tokenID) return begun.secret;
  }
  const made = { tokenID, secret: secret() };
  writeDurably(file, seal.close(FILE, Buffer.from(JSON.stringify(made))));
  return made.secret;
}

/** The enrolment is done: its secret is part of the identity now. */
export function forgetPending(stateDir: string): void {
  rmSync(`${stateDir}/${FILE}`, { force: true });
}
