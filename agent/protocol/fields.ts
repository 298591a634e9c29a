import { z } from "zod";
import { MAX_LOG_CHUNK_BYTES, MAX_LOG_TAIL_BYTES, MAX_MESSAGE_LENGTH, MAX_PATH_LENGTH } from "./limits.ts";
import { RESERVED_TAG } from "./names.ts";
import { line } from "./text.ts";

/**
 * Field types that several frames share. Everything that crosses the wire is bounded here, and words that people are shown
 * are made harmless before anything else sees them: their author may be a machine that was broken into.
 */

/** A Kubernetes object name (RFC 1123 subdomain). */
export const name = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
export const namespace = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
/** A UID or a command id: what Kubernetes and we make are UUIDs, but nothing depends on their form. */
export const uid = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[A-Za-z0-9._:-]+$/);
/** RFC 3339. Without a bound its fraction of a second could fill a frame. */
export const time = z.iso.datetime({ offset: true }).max(35);
export const epoch = z.int().min(0);
/** SHA-256 in hexadecimal. */
export const digest = z.string().regex(/^[0-9a-f]{64}$/);
/** A restic id: 64 hexadecimal digits in full. */
export const resticID = z.string().regex(/^[0-9a-f]{64}$/);
/** An absolute path on the host, as users write it. */
export const path = z
  .string()
  .min(1)
  .max(MAX_PATH_LENGTH)
  .startsWith("/")
  .refine((value) => !value.includes("\0"), "holds a NUL byte");
/** A string that becomes one argument of restic. */
export const argument = z
  .string()
  .min(1)
  .max(MAX_PATH_LENGTH)
  .refine((value) => !value.includes("\0"), "holds a NUL byte");
/** A user's tag: restic would split it at a comma, and its parts could join another policy's snapshots. */
export const tag = z
  .string()
  .min(1)
  .max(128)
  .refine((value) => !value.includes(",") && !RESERVED_TAG.test(value), "is no tag a user may set");
export const message = z
  .string()
  .max(MAX_MESSAGE_LENGTH)
  .transform((text) => line(text, MAX_MESSAGE_LENGTH));
export const reason = z
  .string()
  .max(64)
  .regex(/^[A-Za-z][A-Za-z0-9]*$/);
export const logTail = z.string().max(MAX_LOG_TAIL_BYTES);
/** Not yet harmless: that costs too much for what nobody asked for. */
export const logText = z.string().max(MAX_LOG_CHUNK_BYTES);
/** A count or a size in bytes; restic's are unsigned 64-bit, ours end at 2^53-1. */
export const count = z.int().min(0);
export const durationMs = z.int().min(0);
export const word = z
  .string()
  .max(64)
  .transform((text) => line(text, 64));
export const short = z
  .string()
  .max(256)
  .transform((text) => line(text, 256));

export const limits = z.object({
  /** KiB per second; absent is unlimited. */
  uploadKiBps: z.int().min(1).optional(),
  downloadKiBps: z.int().min(1).optional(),
});
export type Limits = z.infer<typeof limits>;
