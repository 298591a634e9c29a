import type { FastifyInstance } from "fastify";

/**
 * `/healthz`: the event loop turns; nothing else, or an API server that is away would have every replica restarted.
 * `/readyz`: caches were filled once and no shutdown has begun; it stays true while the API server is away, because
 * agents are better off here than nowhere.
 */
export function healthRoutes(app: FastifyInstance, ready: () => boolean): void {
  app.get("/healthz", (_request, reply) => reply.type("text/plain").send("ok\n"));
  app.get("/readyz", (_request, reply) => {
    const isReady = ready();
    reply
      .code(isReady ? 200 : 503)
      .type("text/plain")
      .send(isReady ? "ok\n" : "not ready\n");
  });
}
