import type { ServerName } from "./servers.ts";

/** Paths of the programs a control plane consists of. */
export interface Programs {
  etcd: string;
  "kube-apiserver": string;
  "kube-controller-manager": string;
  kubectl: string;
}

/** What an owner asks of its supervisor, over the IPC channel between the two. */
export type Order =
  /** `standing`: the control plane outlives its owner. */
  | { type: "start"; programs: Programs; standing: boolean }
  | { type: "stop"; server: Restartable; signal: "SIGTERM" | "SIGKILL" }
  | { type: "signal"; server: Restartable; signal: "SIGSTOP" | "SIGCONT" }
  | { type: "restart"; server: Restartable };

/** What a test may take away for a while. */
export type Restartable = Extract<ServerName, "etcd" | "kube-apiserver">;

export interface Request {
  id: number;
  order: Order;
}

export type Reply =
  /** `error` is absent when the order was carried out. `directory` answers "start". */
  | { type: "done"; id: number; error?: string; directory?: string }
  /** A server ended that nobody asked to; the control plane is taken down. */
  | { type: "died"; server: ServerName; log: string };

/** cluster.json in the control plane's folder: what any process needs to use it. */
export interface Description {
  directory: string;
  /** https://127.0.0.1:<port> */
  server: string;
  kubectl: string;
  standing: boolean;
}
