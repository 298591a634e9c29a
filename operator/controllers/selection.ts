import type { BackupPolicy, BackupPolicySpec } from "#crds/backuppolicy.ts";
import type { Host } from "#crds/host.ts";

type Selector = NonNullable<BackupPolicySpec["hosts"]["selector"]>;
type Labels = Readonly<Record<string, string>>;

/** A Kubernetes label selector: all requirements hold; an empty one matches everything; NotIn holds without the label. */
export function matches(selector: Selector, labels: Labels): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (!Object.hasOwn(labels, key) || labels[key] !== value) return false;
  }
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    if (operator === "In") return value !== undefined && values.includes(value);
    if (operator === "NotIn") return value === undefined || !values.includes(value);
    return (value !== undefined) === (operator === "Exists");
  });
}

/** Whether the policy is for this host. A revoked host or one on its way out gets nothing more. */
export function selects(policy: BackupPolicy, host: Host): boolean {
  if (policy.metadata.namespace !== host.metadata.namespace) return false;
  if (host.spec.revoked === true || host.metadata.deletionTimestamp !== undefined) return false;
  const { names, selector } = policy.spec.hosts;
  if (names?.includes(host.metadata.name)) return true;
  return selector !== undefined && matches(selector, host.metadata.labels ?? {});
}

/**
 * What has to be true of a host for a policy to be able to select it, as narrow as one look-up can be: its name, one label,
 * or only its namespace. Policies and hosts are indexed by these, so that neither is searched through for the other.
 */
export type Trait =
  | { readonly by: "name"; readonly value: string }
  | { readonly by: "label"; readonly value: string }
  | { readonly by: "namespace" };

export function traitsWanted({ names, selector }: BackupPolicySpec["hosts"]): Trait[] {
  const traits: Trait[] = (names ?? []).map((value) => ({ by: "name", value }));
  if (selector === undefined) return traits;
  const [label] = Object.entries(selector.matchLabels ?? {});
  if (label !== undefined) return [...traits, { by: "label", value: label.join("=") }];
  const oneOf = selector.matchExpressions?.find(({ operator }) => operator === "In");
  if (oneOf === undefined) return [{ by: "namespace" }];
  return [...traits, ...(oneOf.values ?? []).map((value): Trait => ({ by: "label", value: `${oneOf.key}=${value}` }))];
}

export function traitsOf(host: Host): Trait[] {
  const labels = Object.entries(host.metadata.labels ?? {});
  return [
    { by: "name", value: host.metadata.name },
    ...labels.map((label): Trait => ({ by: "label", value: label.join("=") })),
    { by: "namespace" },
  ];
}

/** A trait in a namespace as the value of an index. */
export function traitKey(namespace: string | undefined, trait: Trait): string {
  return `${namespace ?? ""}/${trait.by}${trait.by === "namespace" ? "" : `/${trait.value}`}`;
}
