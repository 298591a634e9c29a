import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import type { RunningCluster } from "../../hack/cluster/cluster.ts";
import { FaultProxy } from "../../hack/fault-proxy/fault-proxy.ts";
import { REFLECTOR_TIMING } from "../../operator/kube/reflector.ts";
import { ConfigMaps } from "../../operator/kube/resource.ts";
import { informersOf, kubeParts } from "../integration/kube-parts.ts";

const WAIT = { timeout: 30_000, interval: 5 };
const LONGEST_WAY_MS = 500;
/** Of the event loop, from an answer's last byte to the next request. */
const QUIET_TURNS = 10;

/**
 * The runtime behind a fault proxy, on a clock that stands still until the test moves it: its delays are the real ones and
 * cost no time. HTTP/1.1, so that a fault meets one request and not all that share its connection.
 */
export async function runtimeWorld(cluster: RunningCluster, namespace: string) {
  const proxy = await FaultProxy.start({ cluster, protocol: "http/1.1" });
  const clock = new ManualClock();
  let sent = 0;
  let lastSent = 0;
  const onRequest = () => {
    sent++;
    lastSent = performance.now();
  };
  const parts = await kubeParts(proxy.kubeconfig(cluster.kubeconfig), { clock, onRequest });
  const running = informersOf(parts, [namespace], REFLECTOR_TIMING);
  onTestFinished(async () => {
    proxy.clearRules();
    await running.stop();
    await proxy.stop();
  });
  const unanswered = () => proxy.requests((one) => !one.done && (one.verb !== "watch" || one.status === 0)).length;
  /** What was cut on its way never arrives. */
  const onItsWay = () => sent > proxy.requests().length && performance.now() - lastSent < LONGEST_WAY_MS;
  const underWay = () => unanswered() > 0 || onItsWay();
  /** Resolves when every request but open watches has its answer, and the answers have had their effect. */
  const settled = async () => {
    const deadline = performance.now() + WAIT.timeout;
    for (let quiet = 0; quiet < QUIET_TURNS; quiet = underWay() ? 0 : quiet + 1) {
      if (performance.now() > deadline) throw new Error("a request is still without its answer");
      await (quiet === 0 ? sleep(1) : nextTurn());
    }
  };

  return {
    proxy,
    clock,
    parts,
    informers: running.informers,
    settled,
    /** ConfigMaps with the label test=<label>, their cache filled and their watch open. */
    async cache(label: string) {
      const informer = running.informers.of(ConfigMaps, { labelSelector: `test=${label}` });
      running.start();
      await expect.poll(() => informer.hasSynced, WAIT).toBe(true);
      await expect
        .poll(() => proxy.requests(({ verb, status }) => verb === "watch" && status === 200).length, WAIT)
        .toBe(1);
      return informer;
    },
    /** Lets time go by in steps, each long enough for what it sets off to come to rest. */
    async pass(seconds: number, step = 1) {
      for (let gone = 0; gone < seconds; gone += step) {
        await clock.advance(step * 1000);
        await settled();
      }
    },
    /** Lets time go by, while no request is under way, until `probe` gives this. */
    async until<T>(probe: () => T, expected: T) {
      const look = async () => {
        await settled();
        await clock.advance(50);
        return probe();
      };
      await expect.poll(look, WAIT).toEqual(expected);
    },
  };
}
