import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { HoldfastError } from "#base/errors.ts";
import { writeDurably } from "./durable-file.ts";

/**
 * Seals values with AES-256-GCM under a key that HKDF-SHA-256 makes of a key file. `name` is authenticated with the
 * value, so that one sealed value cannot stand in the place of another.
 */
export interface Seal {
  close(name: string, value: Uint8Array): Uint8Array;
  /** Throws where the value was changed, or sealed under another key or name. */
  open(name: string, sealed: Uint8Array): Uint8Array;
}

const KEY_BYTES = 32;
/** NIST SP 800-38D: 96-bit nonce, 128-bit tag. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The seal of the key file at `path`; made there where `create` is set and none exists. */
export function sealFrom(path: string, create: boolean): Seal {
  const key = Buffer.from(hkdfSync("sha256", keyFile(path, create), "", "holdfast agent state v1", KEY_BYTES));
  return {
    close(name, value) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(name));
      return Buffer.concat([nonce, cipher.update(value), cipher.final(), cipher.getAuthTag()]);
    },
    open(name, sealed) {
      try {
        const bytes = Buffer.from(sealed);
        const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE_BYTES));
        decipher.setAAD(Buffer.from(name)).setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
        const text = bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES);
        return Buffer.concat([decipher.update(text), decipher.final()]);
      } catch (cause) {
        throw new HoldfastError("state/sealed", `sealed value ${name} cannot be opened with the key in ${path}`, {
          cause,
        });
      }
    },
  };
}

function keyFile(path: string, create: boolean): Buffer {
  try {
    const key = readFileSync(path);
    if (key.length === KEY_BYTES) return key;
    throw new HoldfastError(
      "state/key",
      `${path} holds ${key.length} bytes instead of ${KEY_BYTES}: restore it from a copy`,
    );
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    if (!create) {
      throw new HoldfastError(
        "state/key",
        `${path} is missing, without it the secrets of this agent cannot be read: restore it from a copy, or remove the ` +
          "folder's other files and enrol this host again with a token that says reenroll",
      );
    }
    const key = randomBytes(KEY_BYTES);
    writeDurably(path, key);
    return key;
  }
}
