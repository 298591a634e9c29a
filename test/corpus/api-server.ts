import { ApiException, CustomObjectsApi, KubeConfig } from "@kubernetes/client-node";
import type { TestNamespace } from "../namespace.ts";
import type { Manifest } from "./corpus.ts";

/** What an API server says to manifests, asked without a kubectl process each. */
export class ApiServer {
  readonly #api: CustomObjectsApi;
  readonly #namespace: string;
  /** What was created, by kind and name: its resourceVersion goes into a change of it. */
  readonly #standing = new Map<string, object>();

  constructor({ cluster, namespace }: Pick<TestNamespace, "cluster" | "namespace">) {
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfig);
    this.#api = config.makeApiClient(CustomObjectsApi);
    this.#namespace = namespace;
  }

  /** The causes for which it would refuse to create this; none where it takes it. Nothing is created. */
  refusal(manifest: Manifest): Promise<string[]> {
    return causesOf(this.#create(manifest, { dryRun: "All" }));
  }

  /** Creates it, status included. */
  async create(manifest: Manifest): Promise<void> {
    const created = await this.#create(manifest, {});
    const key = keyOf(manifest);
    this.#standing.set(key, created);
    if (manifest["status"] !== undefined) this.#standing.set(key, await this.#replace(manifest, {}));
  }

  /** The causes for which it would refuse to make what was created into this: the status where it has one, else the spec. */
  refusalOfChange(manifest: Manifest): Promise<string[]> {
    return causesOf(this.#replace(manifest, { dryRun: "All" }));
  }

  #create(body: Manifest, query: { dryRun?: string }): Promise<object> {
    return this.#api.createNamespacedCustomObject({ ...this.#at(body), ...query, body, fieldValidation: "Strict" });
  }

  #replace(manifest: Manifest, query: { dryRun?: string }): Promise<object> {
    const { metadata } = this.#standing.get(keyOf(manifest)) as Manifest;
    const request = { ...this.#at(manifest), ...query, name: manifest.metadata.name, fieldValidation: "Strict" };
    const body = { ...manifest, metadata };
    return manifest["status"] === undefined
      ? this.#api.replaceNamespacedCustomObject({ ...request, body })
      : this.#api.replaceNamespacedCustomObjectStatus({ ...request, body });
  }

  #at({ apiVersion, kind }: Manifest) {
    const [group, version] = apiVersion.split("/") as [string, string];
    const plural = `${kind.toLowerCase()}s`.replace(/ys$/, "ies");
    return { group, version, plural, namespace: this.#namespace };
  }
}

function keyOf({ kind, metadata }: Manifest): string {
  return `${kind} ${metadata.name}`;
}

interface Status {
  readonly message: string;
  readonly details?: { readonly causes?: readonly { readonly field?: string; readonly message?: string }[] };
}

/** What it adds where a bound is broken, because rules are asked only of what keeps the bounds. */
const NOT_CHECKED = "some validation rules were not checked because the object was invalid";

/** `field: message` of each cause of a refusal; its whole message where it names none. */
async function causesOf(request: Promise<unknown>): Promise<string[]> {
  try {
    await request;
    return [];
  } catch (error) {
    if (!(error instanceof ApiException)) throw error;
    const body: unknown = error.body;
    const { message, details } = (typeof body === "string" ? JSON.parse(body) : body) as Status;
    const causes = details?.causes?.filter((cause) => cause.message?.includes(NOT_CHECKED) !== true);
    // Rules side by side are asked in any order.
    return causes?.map((cause) => `${cause.field}: ${cause.message}`).sort() ?? [message];
  }
}
