/** Where everything of one control plane lies in its private folder. */
export interface Layout {
  directory: string;
  description: string;
  kubeconfig: string;
  kubectlCache: string;
  auditLog: string;
  auditPolicy: string;
  etcdData: string;
  etcdSocket: string;
  etcdPeerSocket: string;
  authority: string;
  authorityKey: string;
  servingCert: string;
  servingKey: string;
  signingKey: string;
  signingPublicKey: string;
  controllerManagerKubeconfig: string;
  log(server: string): string;
}

export function layoutOf(directory: string): Layout {
  return {
    directory,
    description: `${directory}/cluster.json`,
    kubeconfig: `${directory}/admin.kubeconfig`,
    kubectlCache: `${directory}/kubectl-cache`,
    auditLog: `${directory}/audit.log`,
    auditPolicy: `${directory}/audit-policy.json`,
    etcdData: `${directory}/etcd`,
    etcdSocket: `${directory}/etcd.sock`,
    etcdPeerSocket: `${directory}/etcd-peer.sock`,
    authority: `${directory}/ca.crt`,
    authorityKey: `${directory}/ca.key`,
    servingCert: `${directory}/apiserver.crt`,
    servingKey: `${directory}/apiserver.key`,
    signingKey: `${directory}/serviceaccount.key`,
    signingPublicKey: `${directory}/serviceaccount.pub`,
    controllerManagerKubeconfig: `${directory}/controller-manager.kubeconfig`,
    log: (server) => `${directory}/${server}.log`,
  };
}
