import { randomBytes } from "node:crypto";
import { pino } from "pino";
import { collectDefaultMetrics, Registry } from "prom-client";
import { systemClock as clock } from "#base/clock.ts";
import { HoldfastError, messageOf } from "#base/errors.ts";
import { ExitCode } from "#base/exit-code.ts";
import { systemRandom as random } from "#base/random.ts";
import { RELEASE } from "#protocol/version.ts";
import { type OperatorConfig, readConfig, usage } from "./config.ts";
import { openCaches } from "./controllers/caches.ts";
import { EventObserver } from "./controllers/events/observer.ts";
import { deadReplicaController } from "./controllers/host/dead-replicas.ts";
import { hostController } from "./controllers/host/reconcile.ts";
import { policyController } from "./controllers/policy/reconcile.ts";
import { repositoryController } from "./controllers/repository/reconcile.ts";
import { SecretReader } from "./controllers/repository/secret-reader.ts";
import { restoreController } from "./controllers/restore/reconcile.ts";
import { runController } from "./controllers/run/reconcile.ts";
import { tokenController } from "./controllers/token/reconcile.ts";
import { enrollRoute } from "./http/enroll.ts";
import { healthRoutes } from "./http/health.ts";
import { listen } from "./http/listen.ts";
import { metricsRoute } from "./http/metrics.ts";
import { runLogRoutes } from "./http/run-logs.ts";
import { createHttp } from "./http/server.ts";
import { CredentialAuthenticator } from "./hub/authenticator.ts";
import { CommandAnswers } from "./hub/command-sink.ts";
import { DeliveryAudit } from "./hub/delivery-audit.ts";
import { DesiredConfigurations } from "./hub/desired-source.ts";
import { EnrolmentDesk } from "./hub/enrolment.ts";
import { Gateway } from "./hub/gateway.ts";
import { LastWrites } from "./hub/last-writes.ts";
import { observeHosts } from "./hub/observe-hosts.ts";
import { persist } from "./hub/persist.ts";
import { ProgressWriter } from "./hub/progress-sink.ts";
import { ResourceRecords } from "./hub/record-sink.ts";
import { revocationController } from "./hub/revocation.ts";
import { HostSessions } from "./hub/session-store.ts";
import { TaskRecords } from "./hub/task-records.ts";
import { loadInstallation } from "./installation/installation.ts";
import { keepServing, servingMaterial } from "./installation/serving.ts";
import { HttpClient } from "./kube/client.ts";
import { loadConnection } from "./kube/connection.ts";
import { EventRecorder } from "./kube/events.ts";
import { Informers } from "./kube/informers.ts";
import { isForbidden, isTransient, isUnauthorized } from "./kube/kube-error.ts";
import { LeaderElector } from "./kube/leader.ts";
import type { Log } from "./kube/log.ts";
import { kubeMetrics } from "./kube/metrics.ts";
import { REPLICA_LABEL, ReplicaLease, ReplicaLeases } from "./kube/replica-lease.ts";
import { Leases } from "./kube/resource.ts";
import { shutdown } from "./kube/shutdown.ts";

/** Values under these names never reach the log, whoever puts an object with them there. */
const SECRET_FIELDS = [
  "token",
  "credential",
  "password",
  "authorization",
  "data",
  "stringData",
  "env",
  "ticket",
  "nonce",
];

function createLog(level: OperatorConfig["logLevel"]): Log {
  return pino({
    level,
    base: {},
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    // Not what else hangs on an error: that may be anything.
    serializers: { err: ({ name, message, stack }: Error) => ({ type: name, message, stack }) },
    redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: "[redacted]" },
  });
}

/** Builds the operator from its parts, starts it, and stops it in order when `stop` aborts. Resolves when it has ended. */
async function run(config: OperatorConfig, log: Log, stop: AbortSignal): Promise<boolean> {
  const identity = `${config.replica}-${randomBytes(4).toString("hex")}`;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const metrics = kubeMetrics(registry);
  const connection = await loadConnection({ env: process.env, clock });
  const client = new HttpClient({ connection, userAgent: `holdfast/${RELEASE}`, clock, random, log, metrics });
  const parts = { client, clock, random, log, metrics };
  log.info({ version: RELEASE, replica: identity, server: connection.server.host }, "starting");

  // An API server that has only just started refuses what it allows a moment later, and a Role may come after its Pod.
  const waits = (error: unknown) => {
    const lacks = isForbidden(error) || isUnauthorized(error);
    if (lacks) log.error({ error: messageOf(error) }, "the operator waits: it lacks a right");
    return lacks || isTransient(error);
  };
  const load = () => loadInstallation(client, config.namespace, clock.now());
  const installation = await persist(parts, stop, load, waits);
  const { clusterID, pin } = installation;

  const informers = new Informers({ ...parts, namespaces: config.watchNamespaces });
  const caches = openCaches(informers);
  const replicaLeases = informers.of(Leases, { namespaces: [config.namespace], labelSelector: REPLICA_LABEL });
  const leases = new ReplicaLeases({ informer: replicaLeases, clock });
  const replicaLease = new ReplicaLease({
    client,
    namespace: config.namespace,
    identity,
    address: config.advertise,
    clock,
    log,
  });
  const events = new EventRecorder({ client, component: "holdfast.dev/operator", identity, clock, log, metrics });

  // The agents' side.
  const running = new AbortController();
  const lastWrites = new LastWrites();
  const secrets = new SecretReader({ ...parts, caches });
  const desired = new DesiredConfigurations({
    ...parts,
    caches,
    secrets,
    clusterID,
    refresh: (host) => hub.refresh(host),
  });
  const tasks = new TaskRecords({ ...parts, caches, tries: desired.tries });
  const records = new ResourceRecords({ ...parts, caches, lastWrites, tasks, registry });
  const sessions = new HostSessions({
    ...parts,
    caches,
    leases,
    events,
    replica: identity,
    clusterID,
    isHere: (host) => hub.session(host) !== undefined,
    desiredConfig: (host) => desired.lastID(host),
  });
  const hub = new Gateway({
    ...parts,
    registry,
    ports: {
      authenticator: new CredentialAuthenticator({
        ...parts,
        caches,
        installation,
        watchNamespaces: config.watchNamespaces,
      }),
      store: sessions,
      desired: new DeliveryAudit({ source: desired, caches, log }),
      records,
      progress: new ProgressWriter({ ...parts, caches, lastWrites, tasks }),
      commands: new CommandAnswers({
        ...parts,
        caches,
        tasks,
        tries: desired.tries,
        signal: running.signal,
      }),
    },
  });
  observeHosts(caches, hub);

  // HTTP.
  const { host, hostname } = config.publicURL;
  const serviceName = `holdfast.${config.namespace}.svc`;
  const names = [hostname.replace(/^\[|\]$/g, ""), "localhost", serviceName];
  const app = createHttp({ serving: await servingMaterial(installation.authority, names, clock), random, log });
  const desk = new EnrolmentDesk({
    ...parts,
    caches,
    installation,
    endpoint: `wss://${host}/v1/agent`,
    onTakeover: (taken, signal) => sessions.takeOver(taken, signal),
  });
  enrollRoute(app, { enroll: (request, signal) => desk.enroll(request, signal), clock });
  healthRoutes(app, () => !stop.aborted && informers.hasSynced);
  metricsRoute(app, { registry, client, clock });
  runLogRoutes(app, {
    ...parts,
    hub,
    caches,
    watchNamespaces: config.watchNamespaces,
    elsewhere: (replica) =>
      replica !== identity && leases.state(replica) === "live" ? { address: leases.address(replica) } : undefined,
    peers: { ca: installation.authority.cert, servername: serviceName },
    registry,
    stop,
  });
  hub.attach(app.server);

  // Leader.
  const address = { server: config.publicURL.origin, pin };
  const controlled = { ...parts, informers, caches };
  const controllers = [
    tokenController({ ...controlled, address }),
    revocationController(controlled),
    hostController({ ...controlled, secrets, planner: desired }),
    deadReplicaController({ ...controlled, leases, replicaLeases }),
    repositoryController({ ...controlled, secrets }),
    policyController({ ...controlled, events }),
    runController(controlled),
    restoreController(controlled),
    new EventObserver({ ...controlled, events }),
  ];
  const stopControllers = new AbortController();
  let controlling: Promise<unknown> = Promise.resolve();
  const stopElection = new AbortController();
  const elector = new LeaderElector({
    ...parts,
    namespace: config.namespace,
    name: "holdfast-operator",
    identity,
    onStartedLeading(lost) {
      const end = AbortSignal.any([lost, stopControllers.signal]);
      // A controller runs once at a time: what the last leadership began has to have ended.
      controlling = controlling.then(() => Promise.all(controllers.map((controller) => controller.run(end, lost))));
    },
    onStoppedLeading() {},
  });

  informers.start(running.signal);
  const recording = events.run(running.signal);
  const stopLease = new AbortController();
  const renewing = replicaLease.run(stopLease.signal);
  let electing: Promise<unknown> = Promise.resolve();
  void keepServing(app.server, installation.authority, names, clock, running.signal);
  await informers.synced(stop).catch(() => undefined);
  if (!stop.aborted) {
    await listen(app, config.listen);
    log.info({ ...config.listen, publicURL: config.publicURL.origin, pin, clusterID }, "serving");
    // Last: whoever sees the leader's Lease taken finds an operator that serves.
    electing = elector.run(stopElection.signal);
    if (!stop.aborted) await new Promise((resolve) => stop.addEventListener("abort", resolve, { once: true }));
  }

  const clean = await shutdown(
    [
      // Readiness is off since `stop` aborted.
      { name: "agents", run: () => hub.drain() },
      { name: "http", run: () => app.close() },
      {
        name: "controllers",
        run: async () => {
          stopControllers.abort();
          await controlling;
        },
      },
      {
        name: "leases",
        run: async () => {
          stopElection.abort();
          stopLease.abort();
          await Promise.all([electing, renewing]);
        },
      },
      {
        name: "caches",
        run: async () => {
          running.abort();
          secrets.close();
          await Promise.all([informers.stopped(), recording]);
        },
      },
    ],
    { clock, log },
  );
  await client.close();
  return clean;
}

async function main(): Promise<void> {
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      // Who asks twice does not want to wait.
      if (stop.signal.aborted) process.exit(ExitCode.failed);
      stop.abort(new Error(`received ${signal}`));
    });
  }
  let log: Log | undefined;
  // Node would print all that hangs on the error, and that may be anything.
  process.on("uncaughtException", (error) => {
    if (log === undefined) console.error(error.stack);
    else log.error({ err: error }, "the operator crashed, please report this");
    process.exit(ExitCode.failed);
  });
  const [argument] = process.argv.slice(2);
  if (argument !== undefined) {
    const asked = argument === "--help" || argument === "-h";
    (asked ? console.log : console.error)(asked ? usage() : `the operator takes no arguments\n\n${usage()}`);
    process.exit(asked ? ExitCode.ok : ExitCode.usage);
  }
  try {
    const config = readConfig(process.env);
    log = createLog(config.logLevel);
    const clean = await run(config, log, stop.signal);
    process.exit(clean ? ExitCode.ok : ExitCode.failed);
  } catch (error) {
    const code = error instanceof HoldfastError ? error.code : "unexpected";
    if (log === undefined) console.error(messageOf(error));
    else log.error({ code, error: messageOf(error) }, "the operator cannot go on");
    process.exit(ExitCode.failed);
  }
}

await main();
