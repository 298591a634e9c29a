import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { HoldfastError } from "#base/errors.ts";
import { RELEASE } from "#protocol/version.ts";
import { networkError } from "../link/network-error.ts";

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 256 * 1024;

/** POSTs `body` as JSON; `ca` are the authorities to trust, those of the system where it is absent. Follows no redirect. */
export function postJSON(url: URL, body: unknown, ca: string | undefined): Promise<{ status: number; text: string }> {
  const payload = Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) =>
      reject(new HoldfastError("enroll/unreachable", `cannot reach ${url.host}: ${networkError(cause)}`, { cause }));
    const outgoing = request(
      url,
      {
        method: "POST",
        timeout: TIMEOUT_MS,
        agent: false,
        headers: {
          "content-type": "application/json",
          "content-length": payload.length,
          "user-agent": `holdfast-agent/${RELEASE}`,
        },
        ...(ca === undefined ? {} : { ca }),
      },
      (answer: IncomingMessage) => {
        const chunks: Buffer[] = [];
        let size = 0;
        answer.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_ANSWER_BYTES) answer.destroy(new Error(`answer of over ${MAX_ANSWER_BYTES} bytes`));
          else chunks.push(chunk);
        });
        answer.once("error", fail);
        answer.once("end", () =>
          resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
        );
      },
    );
    outgoing.once("timeout", () => outgoing.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })));
    outgoing.once("error", fail);
    outgoing.end(payload);
  });
}
