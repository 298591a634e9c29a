/** A request to the API server by what it asks for, as RBAC and the audit log name it. */
export interface KubeRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly query: URLSearchParams;
  readonly userAgent: string;
  /** get, list, watch, create, update, patch, apply, delete or deletecollection; of what is no resource: the method. */
  readonly verb: string;
  /** "" of the core group, and of what is no resource. */
  readonly group: string;
  /** Plural; "" of what is no resource (/readyz, discovery). */
  readonly resource: string;
  readonly subresource: string;
  /** "" of all namespaces and of what has none. */
  readonly namespace: string;
  /** "" of a collection. */
  readonly name: string;
}

type Asked = Pick<KubeRequest, "group" | "resource" | "subresource" | "namespace" | "name">;

/** `headers` with lower-case names. */
export function parseKubeRequest(
  method: string,
  url: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): KubeRequest {
  const { pathname, searchParams: query } = new URL(url, "https://kubernetes");
  const asked = resourceOf(pathname.split("/").slice(1).map(decodeURIComponent));
  const apply = String(headers["content-type"]).startsWith("application/apply-patch");
  const verb = asked.resource === "" ? method.toLowerCase() : verbOf(method, asked, query, apply);
  return { method, url, query, userAgent: String(headers["user-agent"] ?? ""), verb, ...asked };
}

function resourceOf([root, ...rest]: string[]): Asked {
  const nothing = { group: "", resource: "", subresource: "", namespace: "", name: "" };
  const group = root === "apis" ? rest.shift() : "";
  if ((root !== "api" && root !== "apis") || group === undefined || rest.shift() === undefined) return nothing;
  // /namespaces/x is the Namespace x, /namespaces/x/pods are Pods in it; its own subresources are these two.
  const inside = rest[0] === "namespaces" && rest.length > 2 && rest[2] !== "status" && rest[2] !== "finalize";
  const namespace = inside ? (rest.splice(0, 2)[1] ?? "") : "";
  const [resource = "", name = "", subresource = ""] = rest;
  return { group, resource, subresource, namespace, name };
}

function verbOf(method: string, { name }: Asked, query: URLSearchParams, apply: boolean): string {
  switch (method) {
    case "GET":
      if (query.get("watch") === "true" || query.get("watch") === "1") return "watch";
      return name === "" ? "list" : "get";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return apply ? "apply" : "patch";
    case "DELETE":
      return name === "" ? "deletecollection" : "delete";
    default:
      return method.toLowerCase();
  }
}
