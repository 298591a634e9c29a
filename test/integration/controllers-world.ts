import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, vi } from "vitest";
import { type Clock, systemClock } from "#base/clock.ts";
import type { Host } from "#crds/host.ts";
import { type Caches, openCaches } from "../../operator/controllers/caches.ts";
import { EventObserver } from "../../operator/controllers/events/observer.ts";
import { deadReplicaController } from "../../operator/controllers/host/dead-replicas.ts";
import { hostController } from "../../operator/controllers/host/reconcile.ts";
import { sessionWriter } from "../../operator/controllers/host/writers.ts";
import { Hosts } from "../../operator/controllers/kinds.ts";
import { policyController } from "../../operator/controllers/policy/reconcile.ts";
import { repositoryController } from "../../operator/controllers/repository/reconcile.ts";
import { SecretReader } from "../../operator/controllers/repository/secret-reader.ts";
import { restoreController } from "../../operator/controllers/restore/reconcile.ts";
import { runController } from "../../operator/controllers/run/reconcile.ts";
import { tokenController } from "../../operator/controllers/token/reconcile.ts";
import { DesiredConfigurations } from "../../operator/hub/desired-source.ts";
import { persist } from "../../operator/hub/persist.ts";
import { applyStatus, type StatusWriter } from "../../operator/kube/apply.ts";
import { findCondition } from "../../operator/kube/conditions.ts";
import { EventRecorder } from "../../operator/kube/events.ts";
import { REPLICA_LABEL, ReplicaLeases } from "../../operator/kube/replica-lease.ts";
import { type Kind, type KubeObject, Leases } from "../../operator/kube/resource.ts";
import { testNamespace } from "../namespace.ts";
import { informersOf, type KubeParts, kubeParts } from "./kube-parts.ts";

/** All controllers on the real API server, as the leader runs them. What agents would bring about, a test writes itself. */
export interface ControllersWorld extends KubeParts {
  readonly namespace: string;
  readonly caches: Caches;
  readonly desired: DesiredConfigurations;
  /** Hosts the hub would have been asked to refresh. */
  readonly refreshed: Set<string>;
}

export const address = { server: "https://holdfast.example.com:8443", pin: `sha256/${"A".repeat(43)}=` };

/** `pace`: how much faster than time the controllers' timers run. */
export function controllersWorld(options: { pace?: number } = {}) {
  const api = testNamespace();
  let world: ControllersWorld | undefined;
  let end: () => Promise<void> = async () => {};
  beforeAll(async () => {
    const base = await kubeParts(api.cluster.kubeconfig);
    const parts = { ...base, clock: quick(options.pace ?? 1) };
    const { informers, start, stop } = informersOf(parts, [api.namespace]);
    const caches = openCaches(informers);
    const replicaLeases = informers.of(Leases, { labelSelector: REPLICA_LABEL });
    const leases = new ReplicaLeases({ informer: replicaLeases, clock: parts.clock });
    const events = new EventRecorder({ ...parts, component: "holdfast.dev/operator", identity: "test" });
    const secrets = new SecretReader({ ...parts, caches });
    const refreshed = new Set<string>();
    const desired = new DesiredConfigurations({
      ...parts,
      caches,
      secrets,
      clusterID: "c1",
      refresh: (host) => refreshed.add(host),
    });
    const controlled = { ...parts, informers, caches };
    const controllers = [
      tokenController({ ...controlled, address }),
      hostController({ ...controlled, secrets, planner: desired }),
      deadReplicaController({ ...controlled, leases, replicaLeases }),
      repositoryController({ ...controlled, secrets }),
      policyController({ ...controlled, events }),
      runController(controlled),
      restoreController(controlled),
      new EventObserver({ ...controlled, events }),
    ];
    const ended = new AbortController();
    const recording = events.run(ended.signal);
    start();
    const running = controllers.map((controller) => controller.run(ended.signal, ended.signal));
    await informers.synced();
    world = { ...parts, namespace: api.namespace, caches, desired, refreshed };
    end = async () => {
      ended.abort(new Error("the test is over"));
      await Promise.all([...running, recording]);
      secrets.close();
      await stop();
      expect(base.lines.filter(({ level }) => level === "error")).toEqual([]);
    };
  });
  afterAll(() => end());

  const its = (): ControllersWorld => {
    if (world === undefined) throw new Error("the world is made by the first test's beforeAll");
    return world;
  };
  const get = <T extends KubeObject>(kind: Kind<T>, name: string) =>
    its().client.get(kind, { namespace: api.namespace, name });

  /** Writes a status beside the controllers, as a replica does: again when they were faster. */
  const write = <T extends KubeObject & { readonly status?: object }>(
    kind: Kind<T>,
    name: string,
    writer: StatusWriter,
    status: object,
  ) =>
    persist(its(), AbortSignal.timeout(10_000), async () =>
      applyStatus(its().client, kind, await get(kind, name), writer, status),
    );

  return {
    ...api,
    its,
    get,
    write,
    /** Creates a resource of ours and returns it. */
    async create<T extends KubeObject & { spec: unknown }>(
      kind: Kind<T>,
      name: string,
      spec: T["spec"],
      metadata: object = {},
    ) {
      const draft = { metadata: { namespace: api.namespace, name, ...metadata }, spec };
      return its().client.create<KubeObject>(kind, draft as never) as unknown as Promise<T>;
    },
    /** Waits until `expectation` holds of the object. */
    until<T extends KubeObject>(
      kind: Kind<T>,
      name: string,
      expectation: (object: T) => void,
      timeout = 15_000,
    ): Promise<T> {
      return vi.waitFor(
        async () => {
          const object = await get(kind, name);
          expectation(object);
          return object;
        },
        { timeout, interval: 100 },
      );
    },
    /** Says of a host what the replica with its socket would say. */
    async connect(name: string, status: "True" | "False" = "True", replica = "op-1", since = new Date().toISOString()) {
      const Connected = {
        type: "Connected",
        status,
        reason: status === "True" ? "Connected" : "Disconnected",
        message: "said by the test",
        lastTransitionTime: since,
      };
      const session = {
        epoch: 1,
        replica,
        connectedTime: since,
        ...(status === "False" && { disconnectedTime: since }),
      };
      await write(Hosts, name, sessionWriter, {
        session,
        lastSeenTime: since,
        conditions: [Connected],
      });
    },
    /** How often the status of an object was written, from the API server's own log. */
    statusWrites(resource: string, name: string): number {
      const lines = readFileSync(api.cluster.auditLog, "utf8")
        .split("\n")
        .filter((line) => line.includes(`"${name}"`));
      return lines
        .map((line) => JSON.parse(line))
        .filter(({ verb, objectRef, responseStatus }) => {
          const { namespace, subresource } = objectRef ?? {};
          const mine = namespace === api.namespace && objectRef.resource === resource && objectRef.name === name;
          return mine && verb === "patch" && subresource === "status" && responseStatus?.code === 200;
        }).length;
    },
  };
}

export function ready(
  object: { status?: Pick<NonNullable<Host["status"]>, "conditions"> } & KubeObject,
): [string | undefined, string | undefined] {
  const condition = findCondition(object.status?.conditions, "Ready");
  return [condition?.status, condition?.reason];
}

/** Expects Ready to be so; the message is the failure's. */
export function expectReady(object: Parameters<typeof ready>[0], status: string, reason: string): void {
  const condition = findCondition(object.status?.conditions, "Ready");
  expect([condition?.status, condition?.reason], condition?.message).toEqual([status, reason]);
}

function quick(pace: number): Clock {
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic() * pace,
    after: (ms, run) => systemClock.after(ms / pace, run),
    sleep: (ms, signal) => systemClock.sleep(ms / pace, signal),
  };
}
