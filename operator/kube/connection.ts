import { access, readFile } from "node:fs/promises";
import type { RequestOptions } from "node:https";
import { isIPv6 } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Clock } from "#base/clock.ts";
import { HoldfastError, messageOf } from "#base/errors.ts";

/** What TLS needs to reach the API server; all but `servername` and `rejectUnauthorized` are PEM. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

export interface Credentials {
  readonly tls: TlsMaterial;
  /** Authorization and Impersonate-*; never logged. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Where the API server is and how to prove who we are. */
export interface Connection {
  readonly server: URL;
  /** The namespace of the ServiceAccount or of the kubeconfig's context. */
  readonly namespace: string | undefined;
  /** May be asked before every request; reads files and runs credential plugins at most once a minute, or when `fresh`. */
  credentials(fresh: boolean): Promise<Credentials>;
}

/** client-go reads a projected token again after a minute; the kubelet rotates it long before it expires. */
const CREDENTIALS_LIVE_MS = 60_000;
const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * Looks where kubectl and client-go look: the path given, $KUBECONFIG, the pod's ServiceAccount, ~/.kube/config.
 * Errors: kube/config.
 */
export async function loadConnection(options: {
  readonly kubeconfig?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
}): Promise<Connection> {
  const { env, clock } = options;
  const named = options.kubeconfig ?? (env["KUBECONFIG"] === "" ? undefined : env["KUBECONFIG"]);
  if (named !== undefined) return fromKubeconfig(named, clock);
  if (env["KUBERNETES_SERVICE_HOST"] !== undefined) return inCluster(env, clock, SERVICE_ACCOUNT);
  const home = join(homedir(), ".kube", "config");
  const exists = await access(home).then(
    () => true,
    () => false,
  );
  if (exists) return fromKubeconfig(home, clock);
  throw new HoldfastError(
    "kube/config",
    "found no Kubernetes API server: this is not a pod with a ServiceAccount token, and neither $KUBECONFIG nor " +
      "~/.kube/config names one. Set KUBECONFIG to a kubeconfig file.",
  );
}

/**
 * The pod's own ServiceAccount. Read here and not by client-node, which would load its generated API into memory
 * (80 MiB) for the sake of two files.
 */
export function inCluster(env: NodeJS.ProcessEnv, clock: Clock, folder: string): Connection {
  const host = env["KUBERNETES_SERVICE_HOST"] ?? "";
  const server = new URL(`https://${isIPv6(host) ? `[${host}]` : host}:${env["KUBERNETES_SERVICE_PORT"] ?? "443"}`);
  return {
    server,
    namespace: env["POD_NAMESPACE"],
    credentials: keptForAMinute(clock, async () => {
      const [ca, token] = await Promise.all([read(join(folder, "ca.crt")), read(join(folder, "token"))]);
      return { tls: { ca }, headers: { authorization: `Bearer ${token.trim()}` } };
    }),
  };
}

async function fromKubeconfig(path: string, clock: Clock): Promise<Connection> {
  // Imported only where a kubeconfig is used, that is never in a pod: see inCluster.
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  try {
    config.loadFromFile(path);
  } catch (cause) {
    const line = yamlLine(cause);
    if (line === undefined) {
      throw new HoldfastError("kube/config", `cannot read the kubeconfig ${path}: ${messageOf(cause)}`, { cause });
    }
    // Without the cause, which shows the lines around: a token or a key stands in one of them.
    throw new HoldfastError("kube/config", `the kubeconfig ${path} is no YAML at line ${line}; correct it`);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null || !URL.canParse(cluster.server)) {
    const context = config.getCurrentContext() ?? "";
    throw new HoldfastError(
      "kube/config",
      `the kubeconfig ${path} has no usable cluster for its current context "${context}": ` +
        "choose one with `kubectl config use-context`.",
    );
  }
  if (cluster.proxyUrl !== undefined) {
    throw new HoldfastError(
      "kube/config",
      `the kubeconfig ${path} asks for a proxy (proxy-url): that is not supported.`,
    );
  }
  return {
    server: new URL(cluster.server),
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
    credentials: keptForAMinute(clock, async () => {
      const options: RequestOptions & { servername?: string } = {};
      try {
        await config.applyToHTTPSOptions(options);
      } catch (cause) {
        throw new HoldfastError("kube/config", `the kubeconfig ${path} gives no credentials: ${messageOf(cause)}`, {
          cause,
        });
      }
      const headers: Record<string, string> = {};
      for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = String(value);
      if (typeof options.auth === "string") headers["authorization"] = `Basic ${btoa(options.auth)}`;
      const pem = (name: "ca" | "cert" | "key") => (options[name] ? { [name]: String(options[name]) } : {});
      return {
        tls: {
          ...pem("ca"),
          ...pem("cert"),
          ...pem("key"),
          ...(options.servername === undefined ? {} : { servername: options.servername }),
          ...(options.rejectUnauthorized === undefined ? {} : { rejectUnauthorized: options.rejectUnauthorized }),
        },
        headers,
      };
    }),
  };
}

/** Where a YAML parser's error is, counted from 1; undefined for any other error. */
function yamlLine(error: unknown): number | undefined {
  const { mark } = error as { readonly mark?: { readonly line?: unknown } };
  return typeof mark?.line === "number" ? mark.line + 1 : undefined;
}

/** Concurrent callers share one load; a failed load is not kept. */
function keptForAMinute(clock: Clock, load: () => Promise<Credentials>): Connection["credentials"] {
  let loaded: { at: number; credentials: Promise<Credentials> } | undefined;
  return (fresh) => {
    if (loaded === undefined || fresh || clock.monotonic() - loaded.at > CREDENTIALS_LIVE_MS) {
      const current = { at: clock.monotonic(), credentials: load() };
      loaded = current;
      current.credentials.catch(() => {
        if (loaded === current) loaded = undefined;
      });
    }
    return loaded.credentials;
  };
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new HoldfastError(
      "kube/config",
      `cannot read ${path}: ${messageOf(cause)}. The pod needs automountServiceAccountToken: true.`,
      { cause },
    );
  }
}
