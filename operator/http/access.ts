import { Refusal } from "../hub/refusal.ts";
import type { Client } from "../kube/client.ts";
import type { Kind, KubeObject } from "../kube/resource.ts";

type TokenReview = KubeObject & {
  readonly spec: { readonly token: string };
  readonly status?: {
    readonly authenticated?: boolean;
    readonly user?: {
      readonly username?: string;
      readonly uid?: string;
      readonly groups?: readonly string[];
      readonly extra?: { readonly [key: string]: readonly string[] };
    };
  };
};
type SubjectAccessReview = KubeObject & {
  readonly spec: object;
  readonly status?: { readonly allowed?: boolean };
};

const TokenReviews: Kind<TokenReview> = {
  group: "authentication.k8s.io",
  version: "v1",
  plural: "tokenreviews",
  kind: "TokenReview",
  namespaced: false,
};
const SubjectAccessReviews: Kind<SubjectAccessReview> = {
  group: "authorization.k8s.io",
  version: "v1",
  plural: "subjectaccessreviews",
  kind: "SubjectAccessReview",
  namespaced: false,
};

/** What somebody wants to do, in the words of a SubjectAccessReview. */
export type Wish =
  | { readonly nonResourceAttributes: { readonly path: string; readonly verb: string } }
  | {
      readonly resourceAttributes: {
        readonly group: string;
        readonly resource: string;
        readonly subresource: string;
        readonly verb: string;
        readonly namespace: string;
        readonly name: string;
      };
    };

/** The token of an Authorization header; throws Refusal with `cure` where there is none. */
export function bearerToken(authorization: string | undefined, cure: string): string {
  const token = /^Bearer (.{1,16384})$/i.exec(authorization ?? "")?.[1];
  if (token === undefined) throw new Refusal(401, "unauthorized", cure);
  return token;
}

/**
 * Asks the API server whose token this is and whether the cluster's RBAC allows them the wish; throws Refusal where not,
 * 403 with `cure` of whom it is.
 */
export async function authorize(
  client: Pick<Client, "create">,
  token: string,
  wish: Wish,
  cure: (username: string) => string,
  signal: AbortSignal,
): Promise<void> {
  const review = await client.create(TokenReviews, { metadata: {}, spec: { token } }, { signal });
  const { authenticated, user } = review.status ?? {};
  if (authenticated !== true || user?.username === undefined) {
    throw new Refusal(401, "unauthorized", "the API server does not know this token");
  }
  const spec = {
    user: user.username,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    groups: user.groups ?? [],
    ...(user.extra === undefined ? {} : { extra: user.extra }),
    ...wish,
  };
  const access = await client.create(SubjectAccessReviews, { metadata: {}, spec }, { signal });
  if (access.status?.allowed !== true) throw new Refusal(403, "forbidden", cure(user.username));
}
