import { hostname } from "node:os";
import { z } from "zod";
import { HoldfastError } from "#base/errors.ts";
import { type HostPort, readHostPort, writeHostPort } from "#base/host-port.ts";

/** What the operator is told by its environment. KUBECONFIG and the in-cluster files are read by kube/connection.ts. */
export interface OperatorConfig {
  /** The operator's own namespace: its installation Secret, its Leases and its Events about itself. */
  readonly namespace: string;
  /** The namespaces whose resources it serves; undefined: all of them. */
  readonly watchNamespaces: readonly string[] | undefined;
  readonly listen: HostPort;
  /** The https:// origin at which agents reach it. Its host goes into the serving certificate. */
  readonly publicURL: URL;
  /** Where other replicas reach this one, host:port; undefined where nobody has said and it listens on all addresses. */
  readonly advertise: string | undefined;
  /** Unique among the replicas: the name of this one's Lease. */
  readonly replica: string;
  readonly logLevel: "debug" | "info" | "warn" | "error";
}

const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

const namespace = z.string().regex(NAMESPACE, "must be the name of a namespace (a-z, 0-9 and -)");

/** It names a Lease. */
const REPLICA = "must be at most 63 of a-z, 0-9, - and ., as a Kubernetes name is written";

const listen = z.string().transform((text, context) => {
  const hostPort = readHostPort(text);
  if (hostPort !== undefined) return hostPort;
  context.addIssue({ code: "custom", message: "must be host:port, for example 0.0.0.0:8443 or [::]:8443" });
  return z.NEVER;
});

const WILDCARDS = ["0.0.0.0", "[::]", "[::ffff:0:0]"];

/** Not an address anybody could connect to, however it is spelled: a URL has one spelling of each. */
const isWildcard = (address: HostPort) => WILDCARDS.includes(new URL(`https://${writeHostPort(address)}`).hostname);

const publicURL = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain = url !== undefined && url.pathname === "/" && url.search === "" && url.hash === "";
  if (plain && url.protocol === "https:" && url.username === "" && url.password === "") return url;
  const message =
    "must be the https address at which agents reach the operator, without a path: https://holdfast.example.com:8443";
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});

/** Every setting and every default. */
const environment = z.object({
  HOLDFAST_NAMESPACE: namespace.describe("The namespace the operator runs in. Required."),
  HOLDFAST_WATCH_NAMESPACES: z
    .string()
    .default("")
    .transform((text) =>
      text
        .split(",")
        .map((part) => part.trim())
        .filter((part) => part !== ""),
    )
    .pipe(z.array(namespace))
    .describe("The namespaces whose resources it serves, separated by commas. Default: all."),
  HOLDFAST_LISTEN: z
    .string()
    .default("0.0.0.0:8443")
    .pipe(listen)
    .describe("Where it listens for agents, host:port. Default: 0.0.0.0:8443."),
  HOLDFAST_ADVERTISE: listen
    .refine((address) => !isWildcard(address), "must be an address that other replicas can connect to")
    .optional()
    .describe(
      "Where other replicas reach this one, host:port, to show logs of its hosts. Default: HOLDFAST_LISTEN, unless that is all addresses.",
    ),
  HOLDFAST_PUBLIC_URL: publicURL.describe("The https address at which agents reach it. Required."),
  HOLDFAST_REPLICA: z
    .string()
    .max(63, REPLICA)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, REPLICA)
    .describe("Its name, unique among the replicas. Default: the name of the machine or Pod."),
  HOLDFAST_LOG_LEVEL: z
    .enum(["debug", "info", "warn", "error"])
    .default("info")
    .describe("debug, info, warn or error. Default: info."),
});

/** What `--help` prints. */
export function usage(): string {
  const variables = Object.entries(environment.shape).map(
    ([name, { description }]) => `  ${name}\n        ${description}`,
  );
  return `Usage: operator/main.ts

The operator of Holdfast. It takes no arguments; its environment says what it is to do:

${variables.join("\n")}
  KUBECONFIG
        The API server and the credentials for it, outside of a cluster.
`;
}

/**
 * Reads the environment; throws one `operator/config` error that names everything that is wrong with it. `machine`: what
 * the replica is called unless the environment says otherwise; in a Pod that is the Pod's name.
 */
export function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  machine: string = hostname(),
): OperatorConfig {
  // An empty variable is an unset one: that is what a chart writes for a value that was left out.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ""));
  const result = environment.safeParse({ HOLDFAST_REPLICA: machine.toLowerCase(), ...given });
  if (!result.success) {
    const problems = result.error.issues.map((issue) => {
      const name = String(issue.path[0]);
      return given[name] === undefined ? `${name} is not set; ${cure(name, machine)}` : `${name} ${issue.message}`;
    });
    throw new HoldfastError("operator/config", `the operator cannot start: ${[...new Set(problems)].join("; ")}.`);
  }
  const config = result.data;
  const watched = config.HOLDFAST_WATCH_NAMESPACES;
  const listened = isWildcard(config.HOLDFAST_LISTEN) ? undefined : config.HOLDFAST_LISTEN;
  const advertised = config.HOLDFAST_ADVERTISE ?? listened;
  return {
    namespace: config.HOLDFAST_NAMESPACE,
    watchNamespaces: watched.length === 0 ? undefined : [...new Set(watched)],
    listen: config.HOLDFAST_LISTEN,
    advertise: advertised === undefined ? undefined : writeHostPort(advertised),
    publicURL: config.HOLDFAST_PUBLIC_URL,
    replica: config.HOLDFAST_REPLICA,
    logLevel: config.HOLDFAST_LOG_LEVEL,
  };
}

function cure(name: string, machine: string): string {
  if (name === "HOLDFAST_REPLICA") {
    return `this machine's name, ${JSON.stringify(machine)}, cannot stand for it: give it at most 63 of a-z, 0-9, - and .`;
  }
  return name === "HOLDFAST_NAMESPACE"
    ? "it is the namespace the operator runs in"
    : "it is the https address at which agents reach the operator, for example https://holdfast.example.com:8443";
}
