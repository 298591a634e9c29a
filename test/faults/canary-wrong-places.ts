import { expect } from "vitest";
import { secret } from "#base/random.ts";
import { formatToken } from "#protocol/enroll.ts";
import type { Machine } from "../../hack/stage/machine.ts";
import { create } from "../stage.ts";
import type { Canaries } from "./canary.ts";
import type { CanaryWorld } from "./canary-world.ts";

const UID = "0f8fad5b-d9cb-469f-a165-70867728950e";

/**
 * Puts secrets where people put them who do not know better: into addresses, arguments, queries, wrong headers and frames.
 * `typed` gets those that the arguments of a process now hold. `credential`: web-1's.
 */
export async function wrongPlaces(
  world: CanaryWorld,
  machine: Machine,
  credential: string,
  typed: Canaries,
): Promise<void> {
  await Promise.all([addresses(world), programs(world, machine, typed), requests(world, credential)]);
}

async function addresses({ stage, canary, canaries }: CanaryWorld): Promise<void> {
  for (const url of [
    `rest:https://fleet:${canary("a password in a url")}@127.0.0.1/x/`,
    `sftp:fleet:${canary("a password in an sftp url")}@host:/x`,
  ]) {
    const refused = await create(stage(), "Repository", "in-url", {
      url,
      passwordFrom: { host: "env:RESTIC_PASSWORD" },
    }).catch((error: Error) => error.message);
    expect(refused).toContain("remove user and password from url");
    expect(canaries.search("the refusal", String(refused))).toEqual([]);
  }
}

async function programs({ stage, canary, agent }: CanaryWorld, machine: Machine, typed: Canaries): Promise<void> {
  const { server, pin } = await stage().invitation("web-1");
  const enrol = ["enroll", "--server", server, "--pin", pin];
  const unknown = formatToken(UID, canary("an unknown token", "_".repeat(11)));
  const password = secret();
  const argument = formatToken(UID, secret());
  typed.add("a password in an argument", password);
  typed.add("a token in an argument", argument);
  const stranger = stage().machine("stranger");
  const runs: [on: Machine, args: string[], input: string, says: string][] = [
    [stranger, enrol, unknown, "not known"],
    [stranger, enrol, `${unknown}x`, "holds no enrolment token"],
    [machine, [argument], "", "there is no command"],
    [machine, ["enroll", "--token", argument], "", "--token is no flag"],
    [machine, ["enroll", "--token-file", argument], "", "is the token itself"],
    [machine, ["enroll", "--server", `https://admin:${password}@127.0.0.1`], "", "is no such address"],
    [machine, ["run", "--password", password], "", "--password is no flag"],
    [machine, ["enroll", "--help"], "", "--token-file"],
    [machine, ["dump-state"], "", "sealed"],
    [machine, ["health-check"], "", "runs"],
  ];
  await Promise.all(runs.map(async ([on, args, input, says]) => expect(await agent(on, args, input)).toContain(says)));
}

async function requests({ stage, canary, ask, speak }: CanaryWorld, credential: string): Promise<void> {
  const { server } = await stage().invitation("web-1");
  const token = formatToken(UID, canary("a token in a request", "_".repeat(11)));
  const json = { "content-type": "application/json" };
  const bearer = { authorization: `Bearer ${credential}` };
  const post = (headers: Record<string, string>, body: string) => ({ method: "POST", headers, body });
  const body = JSON.stringify({ token: credential, hostname: credential, credential });
  const answers = await Promise.all([
    ask(server, `/v1/enroll?token=${token}`, post(json, body)),
    ask(server, "/v1/enroll", post(json, `{"token":"${token}`)),
    ask(server, "/v1/enroll", post(json, credential)),
    ask(server, "/v1/enroll", post({ "content-type": token }, body)),
    ask(server, `/v1/enroll/${token}`, { headers: bearer }),
    ask(server, `/v1/%zz?token=${token}`, { headers: bearer }),
    ask(server, `/metrics?token=${token}`, { headers: bearer }),
    ask(server, `/v1/agent?credential=${credential}`, { headers: { ...bearer, cookie: credential } }),
  ]);
  expect(answers.map((answer) => answer.slice(0, 3))).toEqual(["400", "400", "400", "415", "404", "400", "401", "404"]);
  await speak(server, credential, [
    JSON.stringify({ type: credential }),
    JSON.stringify({ type: "hello", protocol: credential, hostUID: credential, [credential]: 1 }),
    `not JSON ${credential}`,
    JSON.stringify({ type: "error", code: "malformed", credential }),
    JSON.stringify([credential]),
  ]);
  await speak(server, `${credential.slice(0, -4)}AAAA`, []);
}
