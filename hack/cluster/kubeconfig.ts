import { stringify } from "yaml";
import type { KeyPair } from "../../operator/installation/certificate.ts";

/** A kubeconfig that holds everything itself, so that it can be copied anywhere. */
export function kubeconfig(server: string, authority: string, user: string, client: KeyPair): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "holdfast",
    clusters: [{ name: "holdfast", cluster: { server, "certificate-authority-data": base64(authority) } }],
    users: [
      { name: user, user: { "client-certificate-data": base64(client.cert), "client-key-data": base64(client.key) } },
    ],
    contexts: [{ name: "holdfast", context: { cluster: "holdfast", user } }],
  });
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
