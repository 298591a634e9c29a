import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * A server of no repository that says back all it was told, as a debugging proxy does: in its status line, in its headers
 * and in the error's message as S3 writes one. Returns its port and how to end it.
 */
export async function startEchoServer(): Promise<{ port: number; stop: () => Promise<void> }> {
  const server = createServer((request, response) => {
    const said = `${request.headers.authorization ?? ""} ${Buffer.from((request.headers.authorization ?? "").replace(/^Basic /, ""), "base64")}`;
    const harmless = said.replace(/[^ -~]/g, "?");
    response.writeHead(403, `Forbidden ${harmless}`, { "content-type": "application/xml", "x-said": harmless });
    response.end(`<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>${harmless}</Message></Error>`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
