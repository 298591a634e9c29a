import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { HoldfastError, messageOf } from "#base/errors.ts";
import { parseToken } from "#protocol/enroll.ts";

/** A token has 80 characters; more than this is not one. */
const MAX_BYTES = 1024;

/** Reads the token of an enrolment from `file` (only its owner may read it) or from standard input, and checks its form. */
export async function readToken(file: string | undefined, stdin: NodeJS.ReadStream): Promise<string> {
  const text = file === undefined ? await readLine(stdin) : readPrivate(file);
  const token = text.trim();
  if (parseToken(token)) return token;
  const from = file === undefined ? "standard input" : file;
  throw new HoldfastError(
    "enroll/token-malformed",
    `${from} ${token === "" ? "is empty" : "holds no enrolment token"}: a token reads hft_<32 hexadecimal digits>_<43 characters>; ` +
      "copy it whole from the Secret named in the EnrollmentToken's status.secretRef (key token)",
  );
}

function readPrivate(path: string): string {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (cause) {
    throw new HoldfastError("enroll/token-file", `cannot read the token file: ${messageOf(cause)}`, { cause });
  }
  try {
    // The open file is asked, not the path: what is judged is what is read.
    const { mode } = fstatSync(file);
    if ((mode & 0o077) !== 0) {
      throw new HoldfastError(
        "enroll/token-file-open",
        `${path} can be read by others (mode ${(mode & 0o777).toString(8)}): chmod 600 ${path}, and make a new token if others were on this machine`,
      );
    }
    const buffer = Buffer.alloc(MAX_BYTES);
    return buffer.toString("utf8", 0, readSync(file, buffer, 0, MAX_BYTES, 0));
  } finally {
    closeSync(file);
  }
}

async function readLine(stdin: NodeJS.ReadStream): Promise<string> {
  if (stdin.isTTY) process.stderr.write("Paste the enrolment token and press Enter:\n");
  let text = "";
  stdin.setEncoding("utf8");
  for await (const chunk of stdin) {
    text += String(chunk);
    if (text.length > MAX_BYTES || text.trim().includes("\n") || (stdin.isTTY && text.includes("\n"))) break;
  }
  return text.slice(0, MAX_BYTES);
}
