import { expect, test } from "vitest";
import { parseKubeRequest } from "./kube-request.ts";

const HOSTS = "/apis/holdfast.dev/v1alpha1/namespaces/a/hosts";
const cases: [what: string, method: string, url: string, contentType: string, expected: object][] = [
  ["a list of one namespace", "GET", `${HOSTS}?limit=500`, "", { verb: "list", resource: "hosts", namespace: "a" }],
  ["a list of all", "GET", "/apis/holdfast.dev/v1alpha1/hosts", "", { verb: "list", resource: "hosts", namespace: "" }],
  ["a watch", "GET", `${HOSTS}?watch=true`, "", { verb: "watch", resource: "hosts", name: "" }],
  ["one object", "GET", `${HOSTS}/web%2d1`, "", { verb: "get", name: "web-1", group: "holdfast.dev" }],
  [
    "an apply of a status",
    "PATCH",
    `${HOSTS}/web-1/status?force=true`,
    "application/apply-patch+yaml",
    { verb: "apply", resource: "hosts", name: "web-1", subresource: "status" },
  ],
  ["a merge patch", "PATCH", `${HOSTS}/web-1`, "application/merge-patch+json", { verb: "patch", subresource: "" }],
  [
    "an object of the core group",
    "DELETE",
    "/api/v1/namespaces/a/secrets/s",
    "",
    { verb: "delete", group: "", resource: "secrets", namespace: "a", name: "s" },
  ],
  ["a namespace itself", "GET", "/api/v1/namespaces/a", "", { resource: "namespaces", name: "a", namespace: "" }],
  [
    "the status of a namespace",
    "PUT",
    "/api/v1/namespaces/a/status",
    "",
    { verb: "update", resource: "namespaces", name: "a", subresource: "status" },
  ],
  ["a whole collection", "DELETE", HOSTS, "", { verb: "deletecollection" }],
  ["what is no resource", "GET", "/readyz?verbose", "", { verb: "get", resource: "", name: "" }],
  ["discovery", "GET", "/apis", "", { verb: "get", resource: "" }],
];

for (const [what, method, url, contentType, expected] of cases) {
  test(`${what} is understood as RBAC understands it`, () => {
    expect(parseKubeRequest(method, url, { "content-type": contentType })).toMatchObject({ method, url, ...expected });
  });
}
