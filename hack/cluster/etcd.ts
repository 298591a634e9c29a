import { request } from "node:http";
import { HoldfastError } from "#base/errors.ts";
import { probe } from "./probe.ts";

/**
 * Compacts etcd (its v3 JSON gateway on a unix socket) at its current revision, which it returns, in the way another API
 * server would: the key tells the running one, whose own cache of old lists would otherwise never notice.
 * https://github.com/kubernetes/kubernetes/blob/v1.34.4/staging/src/k8s.io/apiserver/pkg/storage/etcd3/compact.go
 */
export async function compact(socket: string): Promise<number> {
  const revision = await revisionOf(socket);
  await post(socket, "/v3/kv/put", { key: base64(COMPACTED), value: base64(String(revision)) });
  await post(socket, "/v3/kv/compaction", { revision: String(revision), physical: true });
  return revision;
}

/** The revision of the last write. */
export async function revisionOf(socket: string): Promise<number> {
  const { header } = await post<{ header: { revision: string } }>(socket, "/v3/kv/range", { key: base64(COMPACTED) });
  return Number(header.revision);
}

const COMPACTED = "compact_rev_key";

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** Whether etcd serves: it has a leader, itself. */
export async function healthy(socket: string): Promise<boolean> {
  return (await probe(request, { socketPath: socket, path: "/health" })) === 200;
}

function post<Answer>(socket: string, path: string, body: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: socket, path, method: "POST", timeout: 10_000 }, async (response) => {
      let text = "";
      for await (const chunk of response.setEncoding("utf8")) text += chunk;
      if (response.statusCode === 200) resolve(JSON.parse(text) as Answer);
      else reject(new HoldfastError("cluster/etcd", `etcd answered ${path} with ${response.statusCode}: ${text}`));
    });
    asked.on("timeout", () => asked.destroy(new Error(`etcd did not answer ${path} within 10 s`)));
    asked.on("error", reject);
    asked.end(JSON.stringify(body));
  });
}
