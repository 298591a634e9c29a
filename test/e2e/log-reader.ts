import type { IncomingMessage } from "node:http";
import { request } from "node:https";

export interface LogReaderOptions {
  /** Of the operator. */
  port: number;
  ca: string;
  path: string;
  token?: string;
  events?: boolean;
  headers?: Record<string, string>;
}

/** The answer's head; its body is nobody's yet, and not read before somebody does. */
export function ask({ port, ca, path, token, events, headers }: LogReaderOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: "127.0.0.1",
        port,
        ca,
        path,
        agent: false,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(events === true ? { accept: "text/event-stream" } : {}),
          ...headers,
        },
      },
      resolve,
    );
    sent.on("error", reject);
    sent.end();
  });
}

interface Answer {
  status: number;
  body: Buffer;
  /** Its end never came. */
  cut: boolean;
}

/** The whole answer. */
export async function answer(options: LogReaderOptions): Promise<Answer> {
  return answerOf(await ask(options));
}

export async function answerOf(response: IncomingMessage): Promise<Answer> {
  const parts: Buffer[] = [];
  let cut = false;
  try {
    for await (const part of response) parts.push(part);
  } catch {
    cut = true;
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(parts), cut };
}

/** A client of text/event-stream, as browsers read it. */
export class LogReader {
  readonly #response: IncomingMessage;
  /** Resolves when the stream is over. */
  readonly closed: Promise<void>;
  /** The data of all `log` events. */
  text = "";
  lastID = "";
  /** Of the event `end`, and of `error`. */
  end: { size: number; ended: boolean } | undefined;
  error: { code: string; message: string } | undefined;

  static async open(options: Omit<LogReaderOptions, "events">): Promise<LogReader> {
    const response = await ask({ ...options, events: true });
    if (response.statusCode === 200) return new LogReader(response);
    throw new Error(`the operator answered ${response.statusCode}: ${(await answerOf(response)).body}`);
  }

  private constructor(response: IncomingMessage) {
    this.#response = response;
    let rest = "";
    response.setEncoding("utf8").on("data", (part: string) => {
      const events = (rest + part).split("\n\n");
      rest = events.pop() ?? "";
      for (const event of events) this.#take(event.split("\n"));
    });
    response.on("error", () => {});
    this.closed = new Promise((resolve) => response.once("close", resolve));
  }

  leave(): void {
    this.#response.destroy();
  }

  #take(lines: string[]): void {
    const values = (field: string) =>
      lines.filter((line) => line.startsWith(`${field}: `)).map((line) => line.slice(field.length + 2));
    const data = values("data").join("\n");
    const [type] = values("event");
    this.lastID = values("id")[0] ?? this.lastID;
    if (type === "log") this.text += data;
    if (type === "end") this.end = JSON.parse(data);
    if (type === "error") this.error = JSON.parse(data).error;
  }
}
