import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { HoldfastError } from "#base/errors.ts";
import { seededRandom } from "#base/random.ts";
import type { EnrollmentToken } from "#crds/enrollmenttoken.ts";
import type { Host } from "#crds/host.ts";
import { chapter, say, show } from "./narrator.ts";
import type { Machine, Stage } from "./stage.ts";
import { growTree } from "./tree.ts";
import { until } from "./until.ts";

const agent = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));

/** Applies the quickstart, gives each machine a tree of `files` files, and enrols both with one token. */
export async function enrol(stage: Stage, files: number): Promise<string> {
  chapter("Two machines enrol with a token");
  show("kubectl apply --kustomize overlay   # examples/quickstart, address filled in", await stage.applyQuickstart());
  for (const [index, machine] of stage.machines.entries())
    await growTree(join(machine.root, "srv/www"), files, seededRandom(index + 1));
  say(`each machine has its own /srv/www of ${files} files and more`);

  const token = await until("the token's Secret", 20, async () => {
    const found = await stage.get<EnrollmentToken>("enrollmenttoken", "web");
    return found.status?.secretRef?.name;
  });
  const { data } = await stage.get<{ data: Record<string, string> }>("secret", token);
  const value = (key: string) => Buffer.from(data[key] ?? "", "base64").toString("utf8");
  say(`Secret ${token} has the command for a new machine:`);
  say(`  ${value("command")}`);
  for (const machine of stage.machines) {
    await enrolOne(machine, value("server"), value("pin"), value("token"));
    machine.agent.start();
  }
  for (const machine of stage.machines) {
    await until(`${machine.name} is connected`, 30, async () => {
      machine.agent.expectRunning();
      const host = await stage.get<Host>("host", machine.name);
      return host.status?.conditions?.some(({ type, status }) => type === "Connected" && status === "True");
    });
  }
  await stage.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "repository/offsite", "backuppolicy/www");
  for (const machine of stage.machines)
    await stage.kubectl("wait", "--for=condition=ConfigApplied", "--timeout=30s", `host/${machine.name}`);
  show("kubectl get hosts,repositories", await stage.kubectl("get", "hosts,repositories"));
  return "two hosts enrolled with one token; one of them created the repository, once";
}

/** The token goes over standard input: arguments of a process are readable by every user of a machine. */
function enrolOne(machine: Machine, server: string, pin: string, token: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [agent, "enroll", "--server", server, "--pin", pin, "--token-file", "-"], {
      env: machine.agent.environment,
      stdio: ["pipe", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        output += chunk;
      });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code !== 0) return reject(new HoldfastError("demo/enrol", `${machine.name}: ${output.trim()}`));
      say(`${machine.name}: ${output.trim().split("\n").at(-1)}`);
      resolve();
    });
    child.stdin.end(`${token}\n`);
  });
}
