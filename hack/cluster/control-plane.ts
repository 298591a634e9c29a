import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import type { Clock } from "#base/clock.ts";
import { HoldfastError } from "#base/errors.ts";
import type { Random } from "#base/random.ts";
import type { KeyPair } from "../../operator/installation/certificate.ts";
import { healthy } from "./etcd.ts";
import { kubeconfig } from "./kubeconfig.ts";
import type { Layout } from "./layout.ts";
import type { Description, Programs, Restartable } from "./messages.ts";
import { createAuthority, issue } from "./pki.ts";
import { freePort } from "./ports.ts";
import { probe } from "./probe.ts";
import { MARK } from "./process-table.ts";
import { auditPolicy, type ServerName, serverArguments } from "./servers.ts";

/** Far above the usual 5 s: two busy cores shared with other work. */
const READY_WITHIN_MS = 90_000;
const STOPPED_WITHIN_MS = 15_000;
const POLL_MS = 50;
const PORT_TRIES = 3;
const TITLE: { readonly [server in Restartable]: string } = { etcd: "etcd", "kube-apiserver": "the API server" };

/** The three servers of one control plane as children of this process. Only the supervisor has one. */
export class ControlPlane {
  readonly #layout: Layout;
  readonly #programs: Programs;
  readonly #clock: Clock;
  readonly #died: (server: ServerName) => void;
  readonly #children = new Map<ServerName, ChildProcess>();
  #closed = false;
  #port = 0;
  #admin: KeyPair = { cert: "", key: "" };
  #authority = "";

  /** `died` is called when a server ends that nobody asked to end, once the control plane is up. */
  constructor(layout: Layout, programs: Programs, clock: Clock, died: (server: ServerName) => void) {
    this.#layout = layout;
    this.#programs = programs;
    this.#clock = clock;
    this.#died = died;
  }

  /** Resolves when the API server is ready and the controllers work. */
  async start(random: Random, standing: boolean): Promise<void> {
    const layout = this.#layout;
    const authority = await this.#writeFiles();
    this.#spawn("etcd");
    for (let attempt = 1; ; attempt++) {
      this.#port = await freePort(random);
      try {
        await this.restart("kube-apiserver");
        break;
      } catch (error) {
        // Somebody took the port in between; the API server cannot choose one for itself.
        const taken = lastOf(layout.log("kube-apiserver")).includes("address already in use");
        if (!taken || attempt === PORT_TRIES) throw error;
      }
    }
    await this.#writeKubeconfig(layout.kubeconfig, authority, this.#admin, "admin");
    const manager = await issue(authority, { commonName: "system:kube-controller-manager" }, this.#clock.now());
    await this.#writeKubeconfig(layout.controllerManagerKubeconfig, authority, manager, "controller-manager");
    this.#spawn("kube-controller-manager");
    await this.#until("the controllers (the default ServiceAccount)", "kube-controller-manager", () =>
      this.#answers("/api/v1/namespaces/default/serviceaccounts/default"),
    );
    const description: Description = {
      directory: layout.directory,
      server: `https://127.0.0.1:${this.#port}`,
      kubectl: this.#programs.kubectl,
      standing,
    };
    writeFileSync(layout.description, JSON.stringify(description));
  }

  /** Starts a server where it was before, with the same data, and resolves when it is ready. */
  async restart(server: Restartable): Promise<void> {
    if (this.#children.has(server)) throw new HoldfastError("cluster/running", `${TITLE[server]} runs already`);
    this.#spawn(server);
    if (server === "etcd") await this.#until(TITLE.etcd, server, () => healthy(this.#layout.etcdSocket));
    else await this.#until(TITLE[server], server, () => this.#answers("/readyz"));
  }

  signal(server: Restartable, signal: "SIGSTOP" | "SIGCONT"): void {
    this.#running(server).kill(signal);
  }

  /** Resolves when the server has ended. */
  async stop(server: Restartable, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#running(server);
    this.#children.delete(server);
    const ended = once(child, "exit");
    child.kill(signal);
    const cancel = this.#clock.after(STOPPED_WITHIN_MS, () => child.kill("SIGKILL"));
    await ended;
    cancel();
  }

  #running(server: Restartable): ChildProcess {
    const child = this.#children.get(server);
    if (child === undefined) throw new HoldfastError("cluster/not-running", `${TITLE[server]} does not run`);
    return child;
  }

  /** Kills the servers, starts no more, and resolves when they have ended. */
  async kill(): Promise<void> {
    this.#closed = true;
    const children = [...this.#children.values()];
    this.#children.clear();
    const ends = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    await Promise.all(
      ends.map((child) => {
        const ended = once(child, "exit");
        child.kill("SIGKILL");
        return ended;
      }),
    );
  }

  async #writeFiles(): Promise<KeyPair> {
    const layout = this.#layout;
    const now = this.#clock.now();
    const authority = await createAuthority("holdfast test control plane", now);
    const services = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    const names = ["localhost", ...services, "127.0.0.1", "10.0.0.1"];
    const serving = await issue(authority, { commonName: "kube-apiserver", names }, now);
    // Signs ServiceAccount tokens.
    const tokens = generateKeyPairSync("ec", {
      namedCurve: "P-256",
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    this.#admin = await issue(authority, { commonName: "admin", organizations: ["system:masters"] }, now);
    this.#authority = authority.cert;
    mkdirSync(layout.etcdData, { mode: 0o700 });
    writeFileSync(layout.authority, authority.cert);
    writeFileSync(layout.authorityKey, authority.key, { mode: 0o600 });
    writeFileSync(layout.servingCert, serving.cert);
    writeFileSync(layout.servingKey, serving.key, { mode: 0o600 });
    writeFileSync(layout.signingKey, tokens.privateKey, { mode: 0o600 });
    writeFileSync(layout.signingPublicKey, tokens.publicKey);
    writeFileSync(layout.auditPolicy, JSON.stringify(auditPolicy));
    return authority;
  }

  async #writeKubeconfig(path: string, authority: KeyPair, client: KeyPair, user: string): Promise<void> {
    const server = `https://127.0.0.1:${this.#port}`;
    writeFileSync(path, kubeconfig(server, authority.cert, user, client), { mode: 0o600 });
  }

  #spawn(name: ServerName): void {
    if (this.#closed) throw new HoldfastError("cluster/stopped", "the control plane is being taken down");
    const log = openSync(this.#layout.log(name), "a", 0o600);
    const child = spawn(this.#programs[name], serverArguments(name, this.#layout, this.#port), {
      cwd: this.#layout.directory,
      env: { PATH: process.env["PATH"] ?? "", HOME: this.#layout.directory, [MARK]: this.#layout.directory },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#children.set(name, child);
    const ended = () => {
      if (this.#children.get(name) !== child) return;
      this.#children.delete(name);
      this.#died(name);
    };
    child.on("error", ended);
    child.on("exit", ended);
  }

  async #until(what: string, server: ServerName, ready: () => Promise<boolean>): Promise<void> {
    const deadline = this.#clock.monotonic() + READY_WITHIN_MS;
    while (!(await ready())) {
      const why = !this.#children.has(server)
        ? "ended"
        : this.#clock.monotonic() > deadline
          ? `was not ready after ${READY_WITHIN_MS / 1000} s`
          : undefined;
      if (why !== undefined) {
        throw new HoldfastError(
          "cluster/not-ready",
          `${what} of the control plane: ${server} ${why}. Its last lines:\n${lastOf(this.#layout.log(server))}`,
        );
      }
      await this.#clock.sleep(POLL_MS);
    }
  }

  /** Whether the API server answers a GET by the admin with 200. */
  async #answers(path: string): Promise<boolean> {
    const options = { host: "127.0.0.1", port: this.#port, path, ca: this.#authority, ...this.#admin };
    return (await probe(request, options)) === 200;
  }
}

/** The last lines of a log, at most 4 KiB. */
export function lastOf(path: string): string {
  return readFileSync(path, "utf8").slice(-4096).trimEnd();
}
