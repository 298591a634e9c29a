import type { ObjectMeta, OwnerReference } from "#crds/meta.ts";

/** `namespace/name`, or `name` for an object of a cluster-scoped kind: what stores index by and queues carry. */
export type Key = string;

export interface Ref {
  readonly namespace?: string | undefined;
  readonly name: string;
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** The usual shape of a custom resource. */
export type Resource<Spec, Status> = KubeObject & { readonly spec: Spec; readonly status?: Status };

/** An object as it is sent: the kind fills `apiVersion` and `kind`, the server what else is missing. */
export type Draft<T> = Omit<T, "apiVersion" | "kind" | "metadata"> & {
  readonly metadata: Partial<ObjectMeta>;
};

declare const objectType: unique symbol;

/** Where a kind of object lives in the API; `T` is the type of its objects. */
export interface Kind<T extends KubeObject> {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly [objectType]?: T;
}

/** A kind of Holdfast's own API, `holdfast.dev/v1alpha1`, all of which are namespaced. */
export function holdfast<T extends KubeObject>(kind: string, plural: string): Kind<T> {
  return { group: "holdfast.dev", version: "v1alpha1", plural, kind, namespaced: true };
}

export function apiVersionOf(kind: Kind<KubeObject>): string {
  return kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
}

/** `hosts.holdfast.dev`: names a kind whatever its version. */
export function idOf(kind: Kind<KubeObject>): string {
  return kind.group === "" ? kind.plural : `${kind.plural}.${kind.group}`;
}

export function keyOf(object: { readonly metadata: Ref }): Key {
  const { namespace, name } = object.metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}

export function refOf(key: Key): Ref {
  const slash = key.indexOf("/");
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/**
 * Makes `object` the controlling owner: the garbage collector deletes the dependent with it. It does not block the
 * owner's deletion: where OwnerReferencesPermissionEnforcement is on (OpenShift), that needs a right on its finalizers.
 */
export function ownerReference<T extends KubeObject>(kind: Kind<T>, object: T): OwnerReference {
  const { name, uid } = object.metadata;
  return { apiVersion: apiVersionOf(kind), kind: kind.kind, name, uid, controller: true, blockOwnerDeletion: false };
}

/**
 * The path of a collection or, with a name, of one object. Names come from other objects' fields too, so each segment
 * is encoded: a "../" cannot leave its place.
 */
export function pathOf(kind: Kind<KubeObject>, namespace: string | undefined, name?: string, subresource?: string) {
  const segments = kind.group === "" ? ["api", kind.version] : ["apis", kind.group, kind.version];
  if (kind.namespaced && namespace !== undefined) segments.push("namespaces", namespace);
  segments.push(kind.plural);
  if (name !== undefined) segments.push(name);
  if (subresource !== undefined) segments.push(subresource);
  return `/${segments.map(encodeURIComponent).join("/")}`;
}

export type Secret = KubeObject & {
  readonly type?: string;
  readonly immutable?: boolean;
  /** Values are base64. */
  readonly data?: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
};
export type ConfigMap = KubeObject & { readonly data?: Readonly<Record<string, string>> };
export type Lease = KubeObject & {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    /** V1MicroTime: RFC 3339 with exactly six fractional digits. */
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
};
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion?: string;
}
export function referenceTo<T extends KubeObject>(kind: Kind<T>, { metadata }: T): ObjectReference {
  const { namespace, name, uid, resourceVersion } = metadata;
  const scope = namespace === undefined ? {} : { namespace };
  return { apiVersion: apiVersionOf(kind), kind: kind.kind, ...scope, name, uid, resourceVersion };
}

/** events.k8s.io/v1 */
export type Event = KubeObject & {
  readonly eventTime: string;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly action: string;
  readonly note: string;
  readonly regarding: ObjectReference;
  readonly related?: ObjectReference;
  readonly reportingController: string;
  readonly reportingInstance: string;
  readonly series?: { readonly count: number; readonly lastObservedTime: string };
};

export const Secrets: Kind<Secret> = core("Secret", "secrets");
export const ConfigMaps: Kind<ConfigMap> = core("ConfigMap", "configmaps");
export const Namespaces: Kind<KubeObject> = { ...core("Namespace", "namespaces"), namespaced: false };
export const Leases: Kind<Lease> = { ...core("Lease", "leases"), group: "coordination.k8s.io" };
export const Events: Kind<Event> = { ...core("Event", "events"), group: "events.k8s.io" };

function core<T extends KubeObject>(kind: string, plural: string): Kind<T> {
  return { group: "", version: "v1", plural, kind, namespaced: true };
}
