import { Registry } from "prom-client";
import { type Clock, systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { HttpClient } from "../../operator/kube/client.ts";
import { loadConnection } from "../../operator/kube/connection.ts";
import { Informers } from "../../operator/kube/informers.ts";
import type { Log } from "../../operator/kube/log.ts";
import { kubeMetrics } from "../../operator/kube/metrics.ts";
import { REFLECTOR_TIMING } from "../../operator/kube/reflector.ts";

/** The parts of operator/kube, put together as the operator does, with a log that can be read. */
export async function kubeParts(
  kubeconfig: string,
  options: {
    server?: URL;
    clock?: Clock;
    /** Called before each request is sent. */
    onRequest?: () => void;
  } = {},
) {
  const { clock = systemClock, onRequest = () => {} } = options;
  const loaded = await loadConnection({ kubeconfig, env: {}, clock });
  const connection = {
    ...loaded,
    server: options.server ?? loaded.server,
    credentials(fresh: boolean) {
      onRequest();
      return loaded.credentials(fresh);
    },
  };
  const registry = new Registry();
  const metrics = kubeMetrics(registry);
  const lines: { level: string; message: string; fields: Record<string, unknown> }[] = [];
  const logger = (bound: object): Log => {
    const at = (level: string) => (fields: object, message: string) =>
      void lines.push({ level, message, fields: { ...bound, ...fields } });
    const child = (fields: object) => logger({ ...bound, ...fields });
    return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), child };
  };
  const parts = { clock, random: systemRandom, metrics, log: logger({}) };
  const client = new HttpClient({ ...parts, connection, userAgent: "holdfast/0.0.0" });
  /** The value of one metric, by its name and labels as Prometheus writes them; 0 when it is not there. */
  const metric = async (line: string) => {
    const found = (await registry.metrics()).split("\n").find((each) => each.startsWith(`${line} `));
    return Number(found?.slice(line.length + 1) ?? 0);
  };
  return { ...parts, client, server: connection.server, registry, lines, metric };
}

export type KubeParts = Awaited<ReturnType<typeof kubeParts>>;

/** The reflector's plan with its delays made short. */
export const QUICK = {
  ...REFLECTOR_TIMING,
  backoff: { ...REFLECTOR_TIMING.backoff, firstMs: 50, longestMs: 400 },
};

/** Caches that live until `stop`. */
export function informersOf(
  parts: KubeParts,
  namespaces: readonly string[] | undefined,
  timing: typeof REFLECTOR_TIMING = QUICK,
) {
  const ended = new AbortController();
  const informers = new Informers({ ...parts, namespaces, timing });
  return {
    informers,
    start: () => informers.start(ended.signal),
    async stop() {
      ended.abort(new Error("the test is over"));
      await informers.stopped();
      await parts.client.close();
    },
  };
}
