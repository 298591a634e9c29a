import { Counter, Gauge, Histogram, type Registry, Summary } from "prom-client";

/**
 * Everything operator/kube measures, under the names of client-go and controller-runtime, so that existing dashboards
 * and alerts work. The informer_* and event_recorder_* ones are ours: client-go has none for how old a cache is.
 */
export type KubeMetrics = ReturnType<typeof kubeMetrics>;

/** Registers all of it; once per registry. What is a set of sources is asked when the registry is scraped. */
export function kubeMetrics(registry: Registry) {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Gauge({ name, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[], buckets: number[]) =>
    new Histogram({ name, help, labelNames, buckets, registers });

  /** Sum and count, as client-go's are: quantiles of several replicas cannot be put together. */
  const summary = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Summary({ name, help, labelNames, percentiles: [], registers });

  const sampled = <L extends string>(name: string, help: string, labelNames: readonly L[]) => {
    const sources = new Set<(gauge: Gauge<L>) => void>();
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const source of sources) source(this);
      },
    });
    return sources;
  };

  const queueBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60];
  return {
    requests: counter("rest_client_requests_total", "Requests to the API server; code is <error> when none answered.", [
      "code",
      "method",
      "host",
    ]),
    requestSeconds: histogram(
      "rest_client_request_duration_seconds",
      "Time from a request to its whole answer; a watch ends at its headers.",
      ["verb", "host"],
      [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60],
    ),
    retries: counter("rest_client_request_retries_total", "Requests sent again, by the code that made it necessary.", [
      "code",
      "verb",
      "host",
    ]),
    lists: counter("reflector_lists_total", "Lists begun.", ["name", "namespace"]),
    listSeconds: summary("reflector_list_duration_seconds", "How long a whole list takes, all its pages.", [
      "name",
      "namespace",
    ]),
    itemsPerList: summary("reflector_items_per_list", "How many objects a whole list has.", ["name", "namespace"]),
    watches: counter("reflector_watches_total", "Watches begun.", ["name", "namespace"]),
    shortWatches: counter("reflector_short_watches_total", "Watches that ended at once and without an event.", [
      "name",
      "namespace",
    ]),
    lastVersion: gauge("reflector_last_resource_version", "The newest resourceVersion heard of.", [
      "name",
      "namespace",
    ]),
    relists: counter("informer_relists_total", "Lists begun because the watch could not go on where it was.", [
      "kind",
      "namespace",
    ]),
    watchFailures: counter("informer_watch_failures_total", "Lists and watches that failed, by code.", [
      "kind",
      "namespace",
      "code",
    ]),
    healthy: gauge("informer_healthy", "1 while a watch is open; 0 after a failure, until the next one is.", [
      "kind",
      "namespace",
    ]),
    lastSync: gauge("informer_last_sync_timestamp_seconds", "When the API server was last heard of, by wall clock.", [
      "kind",
      "namespace",
    ]),
    staleness: sampled(
      "informer_staleness_seconds",
      "Since when nothing was heard; a healthy watch tells every minute.",
      ["kind", "namespace"],
    ),
    handlerErrors: counter(
      "informer_handler_errors_total",
      "Change handlers that threw: their change is lost to them.",
      ["kind"],
    ),
    objects: sampled("informer_objects", "Objects in the cache.", ["kind"]),
    queueDepth: sampled("workqueue_depth", "Current depth of the work queue.", ["name"]),
    queueAdds: counter("workqueue_adds_total", "Adds handled by the work queue.", ["name"]),
    queueRetries: counter("workqueue_retries_total", "Retries handled by the work queue.", ["name"]),
    queueSeconds: histogram(
      "workqueue_queue_duration_seconds",
      "How long an item stays in the queue before it is taken.",
      ["name"],
      queueBuckets,
    ),
    workSeconds: histogram(
      "workqueue_work_duration_seconds",
      "How long processing an item takes.",
      ["name"],
      queueBuckets,
    ),
    unfinishedSeconds: sampled("workqueue_unfinished_work_seconds", "Sum of the age of all work in progress.", [
      "name",
    ]),
    longestRunningSeconds: sampled(
      "workqueue_longest_running_processor_seconds",
      "How long the longest running processor has been running.",
      ["name"],
    ),
    reconciles: counter("controller_runtime_reconcile_total", "Reconciliations by result.", ["controller", "result"]),
    reconcileErrors: counter("controller_runtime_reconcile_errors_total", "Reconciliations that failed.", [
      "controller",
    ]),
    reconcilePanics: counter(
      "controller_runtime_reconcile_panics_total",
      "Reconciliations that threw what is no error of ours: a bug.",
      ["controller"],
    ),
    reconcileTimeouts: counter(
      "controller_runtime_reconcile_timeouts_total",
      "Reconciliations that ran past their deadline.",
      ["controller"],
    ),
    reconcileSeconds: histogram(
      "controller_runtime_reconcile_time_seconds",
      "Time per reconciliation.",
      ["controller"],
      [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    ),
    activeWorkers: gauge("controller_runtime_active_workers", "Workers that reconcile just now.", ["controller"]),
    maxWorkers: gauge("controller_runtime_max_concurrent_reconciles", "Workers of the controller.", ["controller"]),
    leader: gauge("leader_election_master_status", "1 while this process is the leader.", ["name"]),
    eventsDropped: counter("event_recorder_dropped_total", "Events given up: queue full, or refused.", ["reason"]),
  };
}
