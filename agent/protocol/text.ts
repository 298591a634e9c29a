/**
 * Text from hosts, repositories and restic is shown in terminals, web pages and chat messages. These characters could
 * move the cursor, recolour, reorder or hide what an operator reads, so they never pass: C0 and C1 controls (but \n and
 * \t), ANSI escape sequences, bidirectional controls, everything that is drawn as nothing, line separators, lone surrogates.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const ANSI = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
const ACTING = /[\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\p{Zl}\p{Zp}\ufff9-\ufffb]|(?![\n\t])\p{Cc}/gu;

/** `text` without anything that acts instead of being read; newlines and tabs stay. */
export function harmless(text: string): string {
  // Well-formed first: what is taken out must not join two halves to a character that acts.
  return text.toWellFormed().replace(ANSI, "").replace(/\r\n?/g, "\n").replace(ACTING, "");
}

/** One harmless line of at most `limit` UTF-16 units; a cut is shown by an ellipsis. */
export function line(text: string, limit = 1024): string {
  const flat = harmless(text).replace(/\s+/g, " ").trim();
  return flat.length <= limit ? flat : `${flat.slice(0, limit - 1).toWellFormed()}…`;
}

/** The last whole lines of `text` that fit `limit` bytes of UTF-8, harmless. */
export function tail(text: string, limit: number): string {
  const clean = harmless(text);
  let bytes = Buffer.from(clean, "utf8");
  if (bytes.length <= limit) return clean;
  bytes = bytes.subarray(bytes.length - limit);
  // A cut inside a line (or inside a character) would show half of it; begin at the next line where there is one.
  const newline = bytes.indexOf(0x0a);
  if (newline >= 0 && newline < bytes.length - 1) return bytes.subarray(newline + 1).toString("utf8");
  let start = 0;
  while (start < bytes.length && (bytes[start]! & 0xc0) === 0x80) start++;
  return bytes.subarray(start).toString("utf8");
}

/** RFC 6455 5.5: a control frame's payload has at most 125 bytes, two of them the close code. */
const MAX_CLOSE_REASON_BYTES = 123;

/** The beginning of `text` that fits the reason of a WebSocket close frame. */
export function closeReason(text: string): string {
  const bytes = Buffer.from(text, "utf8");
  let end = Math.min(bytes.length, MAX_CLOSE_REASON_BYTES);
  while (end < bytes.length && end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end).toString("utf8");
}
