import type { ClientRequest, IncomingMessage } from "node:http";
import type { RequestOptions } from "node:https";

/** `request` of node:http or node:https. */
type Request = (options: RequestOptions, heard: (answer: IncomingMessage) => void) => ClientRequest;

/** The HTTP status that a GET is answered with; 0 where nothing answers it. */
export function probe(request: Request, options: RequestOptions): Promise<number> {
  return new Promise((resolve) => {
    const asked = request({ ...options, agent: false, timeout: 2_000 }, (answer) => {
      answer.resume();
      answer.on("close", () => resolve(answer.statusCode ?? 0));
    });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(0));
    asked.end();
  });
}
