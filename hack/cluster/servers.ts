import type { Layout } from "./layout.ts";

export type ServerName = "etcd" | "kube-apiserver" | "kube-controller-manager";

/** Every request at Metadata level once it is answered: enough to count writes, without the bodies of Secrets. */
export const auditPolicy = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [{ level: "Metadata" }],
};

/** What the project needs of the controllers: deletion by owner and by namespace, ServiceAccounts, aggregated roles. */
const controllers = [
  "garbage-collector-controller",
  "namespace-controller",
  "serviceaccount-controller",
  "serviceaccount-token-controller",
  "root-ca-certificate-publisher-controller",
  "clusterrole-aggregation-controller",
];

/** The arguments each server is started with. `port` is the API server's, on 127.0.0.1. */
export function serverArguments(name: ServerName, layout: Layout, port: number): string[] {
  switch (name) {
    case "etcd":
      return [
        "--name=holdfast",
        `--data-dir=${layout.etcdData}`,
        // Sockets in the private folder: etcd asks for no credentials, so nobody else may reach it.
        `--listen-client-urls=unix://${layout.etcdSocket}`,
        `--listen-peer-urls=unix://${layout.etcdPeerSocket}`,
        // etcd insists on host:port here; a lone member never dials its own address.
        "--advertise-client-urls=http://127.0.0.1:1",
        "--initial-advertise-peer-urls=http://127.0.0.1:1",
        "--initial-cluster=holdfast=http://127.0.0.1:1",
        // The data is thrown away with the cluster; it only has to survive the API server.
        "--unsafe-no-fsync",
        "--log-level=warn",
      ];
    case "kube-apiserver":
      return [
        `--etcd-servers=unix://${layout.etcdSocket}`,
        // So that the history of any object can be read in etcd.
        "--storage-media-type=application/json",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        `--secure-port=${port}`,
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.0.0.0/24",
        `--tls-cert-file=${layout.servingCert}`,
        `--tls-private-key-file=${layout.servingKey}`,
        `--client-ca-file=${layout.authority}`,
        "--anonymous-auth=false",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        `--service-account-signing-key-file=${layout.signingKey}`,
        `--service-account-key-file=${layout.signingPublicKey}`,
        `--audit-policy-file=${layout.auditPolicy}`,
        `--audit-log-path=${layout.auditLog}`,
        "--audit-log-maxsize=4096",
        // Compaction only when a test asks for it; with 0 the API server would not notice that one either.
        "--etcd-compaction-interval=24h",
        // Without it SIGTERM waits a minute for open watches instead of ending them.
        "--shutdown-watch-termination-grace-period=1s",
        "--profiling=false",
      ];
    case "kube-controller-manager":
      return [
        `--kubeconfig=${layout.controllerManagerKubeconfig}`,
        `--controllers=${controllers.join(",")}`,
        "--use-service-account-credentials=true",
        `--service-account-private-key-file=${layout.signingKey}`,
        `--root-ca-file=${layout.authority}`,
        "--leader-elect=false",
        "--secure-port=0",
        "--profiling=false",
      ];
  }
}
