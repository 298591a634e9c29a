import type { FastifyInstance } from "fastify";
import { HoldfastError, messageOf } from "#base/errors.ts";
import { type HostPort, writeHostPort } from "#base/host-port.ts";

/** Begins to serve; throws operator/listen where the address cannot be had. */
export async function listen(app: Pick<FastifyInstance, "listen">, address: HostPort): Promise<void> {
  try {
    await app.listen(address);
  } catch (error) {
    throw new HoldfastError(
      "operator/listen",
      `the operator cannot listen on ${writeHostPort(address)} (${messageOf(error)}): ` +
        "end what listens there, or set HOLDFAST_LISTEN to another address, and HOLDFAST_PUBLIC_URL with it",
    );
  }
}
