import { HoldfastError } from "#base/errors.ts";
import { type Expectation, Informer, type InformerOptions, type InformerParts } from "./informer.ts";
import { idOf, type Kind, type KubeObject, Secrets } from "./resource.ts";

type AnyInformer = Informer<KubeObject>;

/** The caches of this process, one for each kind. */
export class Informers {
  readonly #parts: InformerParts;
  readonly #namespaces: readonly string[] | undefined;
  readonly #timing: InformerOptions<KubeObject>["timing"];
  readonly #informers = new Map<string, AnyInformer>();
  readonly #runs = new Set<Promise<void>>();
  #signal: AbortSignal | undefined;

  /** `namespaces`: those the operator watches, for every kind that is namespaced; undefined for all. */
  constructor(
    options: InformerParts & {
      readonly namespaces?: readonly string[] | undefined;
      readonly timing?: InformerOptions<KubeObject>["timing"];
    },
  ) {
    this.#parts = options;
    this.#namespaces = options.namespaces;
    this.#timing = options.timing;
  }

  /**
   * The informer of a kind, made when first asked for (then it takes the options) and shared afterwards. There is none of
   * Secrets: to list or watch them is to be allowed to read them all.
   */
  of<T extends KubeObject>(kind: Kind<T>, options: InformerOptions<T> = {}): Informer<T> {
    if (idOf(kind) === idOf(Secrets)) {
      throw new HoldfastError("kube/no-secret-cache", "Secrets are read by name with client.get, never watched.");
    }
    const id = idOf(kind);
    let informer = this.#informers.get(id) as Informer<T> | undefined;
    if (informer === undefined) {
      const timing = this.#timing === undefined ? {} : { timing: this.#timing };
      informer = new Informer(kind, { namespaces: this.#namespaces, ...timing, ...options }, this.#parts);
      this.#informers.set(id, informer as unknown as AnyInformer);
      if (this.#signal !== undefined) this.#runs.add(informer.run(this.#signal));
    }
    return informer;
  }

  /** Begins to fill all caches, also those asked for later, until the signal aborts. */
  start(signal: AbortSignal): void {
    if (this.#signal !== undefined) throw new HoldfastError("kube/started", "the informers run already");
    this.#signal = signal;
    for (const informer of this.#informers.values()) this.#runs.add(informer.run(signal));
  }

  /** Every cache asked for so far is filled. */
  get hasSynced(): boolean {
    return [...this.#informers.values()].every((informer) => informer.hasSynced);
  }

  /** Resolves once hasSynced; rejects with the signal's reason. */
  async synced(signal?: AbortSignal): Promise<void> {
    while (!this.hasSynced) await this.#parts.clock.sleep(10, signal);
  }

  /** Resolves when all have ended after their signal aborted. */
  async stopped(): Promise<void> {
    await Promise.all(this.#runs);
  }

  /** See Informer.expect; undefined also when nobody watches the kind: such objects are read from the server. */
  expect(kind: Kind<KubeObject>, written: KubeObject): Expectation | undefined {
    return this.#informers.get(idOf(kind))?.expect(written);
  }
}
