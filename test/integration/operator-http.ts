import { randomBytes } from "node:crypto";
import { request } from "node:https";
import { sha256 } from "#protocol/canonical.ts";
import { type EnrollRequest, type EnrollResponse, formatCredential } from "#protocol/enroll.ts";
import type { TestNamespace } from "../namespace.ts";
import { type OperatorProcess, until } from "./operator-process.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

/** One HTTPS request to the operator, verified against its authority, on a connection of its own. */
export function call(
  operator: OperatorProcess,
  method: string,
  path: string,
  options: { body?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...(options.body === undefined ? {} : { "content-type": "application/json" }),
      ...options.headers,
    };
    const sent = request(`${operator.url}${path}`, { method, ca: operator.ca, headers, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(options.body);
  });
}

/** A machine that wants to enrol: what an agent makes by itself. */
export interface Machine {
  readonly hostname: string;
  readonly secret: string;
}

export function machine(hostname: string): Machine {
  return { hostname, secret: randomBytes(32).toString("base64url") };
}

export function enrolRequest(token: string, { hostname, secret }: Machine): EnrollRequest {
  return {
    token,
    hostname,
    machineIDHash: sha256(hostname),
    credentialHash: sha256(secret),
    os: "linux",
    arch: "x64",
    version: "0.1.0",
  };
}

export async function enroll(
  operator: OperatorProcess,
  token: string,
  who: Machine,
): Promise<{ status: number; code?: string; message?: string; answer?: EnrollResponse }> {
  const body = enrolRequest(token, who);
  const { status, body: text } = await call(operator, "POST", "/v1/enroll", { body: JSON.stringify(body) });
  const parsed = JSON.parse(text);
  return status === 200 ? { status, answer: parsed } : { status, ...parsed.error };
}

export function credentialOf(namespace: string, { hostname, secret }: Machine): string {
  return formatCredential({ namespace, host: hostname, secret });
}

/** Creates an EnrollmentToken and returns its token once the operator has made it. */
export async function createToken(at: TestNamespace, name: string, spec: object = {}): Promise<string> {
  await at.create("EnrollmentToken", name, spec);
  return until(`EnrollmentToken ${name}`, async () => {
    const token = await at.get("enrollmenttoken", name);
    if (token.status?.expiresAt === undefined) return undefined;
    const secret = await at.get("secret", token.status.secretRef.name);
    return Buffer.from(secret.data.token, "base64").toString("utf8");
  });
}
