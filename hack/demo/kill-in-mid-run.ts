import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { HoldfastError } from "#base/errors.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Machine } from "../stage/machine.ts";
import { processesUsing } from "../stage/process.ts";
import type { Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";
import { createRun, succeeded } from "./back-up.ts";
import { chapter, say, show } from "./narrator.ts";

/** Every minute, so that one slot falls into any pause; the other fields are those of the quickstart's policy. */
const PULSE = `
apiVersion: holdfast.dev/v1alpha1
kind: BackupPolicy
metadata: { name: pulse }
spec:
  hosts: { names: [web-1] }
  repository: { name: offsite }
  files: { paths: [/srv/www/customer-1] }
  schedule: "* * * * *"
`;
/** Incompressible, so that the upload limit makes its backup last: 24 MiB at 1 MiB/s. */
const VIDEO_BYTES = 24 * 1024 * 1024;
const UPLOAD_KIBPS = 1024;

/**
 * A long backup on web-2 whose operator and agent are killed in the middle, and a policy on web-1 that fires while the
 * operator is away. Both results appear once it is back.
 */
export async function killInMidRun(stage: Stage): Promise<string> {
  chapter("kill -9 of the operator and of an agent, in the middle of a long backup");
  const [web1, web2] = stage.machines as [Machine, Machine];
  show("kubectl apply --filename -   # a second policy, which fires every minute on web-1", await stage.apply(PULSE));
  await until("web-1 has the new policy on its disk", 30, async () => {
    const policy = await stage.get<{ status?: { hosts?: { applied?: number } } }>("backuppolicy", "pulse");
    return policy.status?.hosts?.applied === 1;
  });
  writeFileSync(join(web2.root, "srv/www/video.bin"), randomBytes(VIDEO_BYTES));
  const name = await createRun(stage, (run) => {
    run.metadata.generateName = "www-web-2-long-";
    run.spec.hostRef = web2.name;
    run.spec.overrides = { limits: { uploadKiBps: UPLOAD_KIBPS } };
  });
  await until(`BackupRun ${name} is running`, 30, async () => {
    const run = await stage.get<BackupRun>("backuprun", name);
    return run.status?.phase === "Running" && run.status.progress?.percent !== undefined;
  });
  show(`kubectl get backuprun ${name}`, await stage.kubectl(["get", "backuprun", name]));

  await stage.operator.stop("SIGKILL");
  const since = Date.now();
  say("operator: kill -9");
  await web2.agent.stop("SIGKILL");
  say("agent of web-2: kill -9");
  const restic = processesUsing(web2.folder);
  if (restic.length === 0) throw new HoldfastError("demo/restic-gone", "restic ended with its agent");
  say(`restic goes on without them (pid ${restic.join(", ")})`);
  web2.agent.start();
  say("agent of web-2: started again");

  // The slot after now fires without an operator; a run takes a moment, so wait a little past the full minute.
  const slot = Math.ceil((systemClock.now() + 1000) / 60_000) * 60_000;
  say(
    `waiting for ${new Date(slot).toISOString().slice(11, 19)} UTC: pulse is due on web-1, with no operator to tell it so`,
  );
  const before = await stage.snapshots("policy=demo/pulse");
  await until("web-1 makes a snapshot by itself", 90, async () => {
    return (await stage.snapshots("policy=demo/pulse")).length > before.length;
  });
  say("web-1 has made a snapshot by itself");
  await stage.kubectl(["patch", "backuppolicy", "pulse", "--type=merge", '--patch={"spec":{"suspend":true}}']);
  say("pulse suspended: once is enough");

  await stage.startOperator();
  say("operator: started again");
  const run = await succeeded(stage, name, 120);
  const adopted = run.status?.logTail?.split("\n").find((line) => line.includes("goes on"));
  say(`its log says: ${adopted ?? "nothing of a restart"}`);
  const made = await stage.snapshots(`run=${run.metadata.uid}`);
  if (made.length !== 1) throw new HoldfastError("demo/snapshots", `${name} made ${made.length} snapshots, not 1`);
  say(`restic itself shows one snapshot of this run: ${made[0]!.slice(0, 8)}`);
  const slots = await until("the run of the missed minute appears", 90, async () => {
    const { items } = await stage.get<{ items: BackupRun[] }>("backupruns", "--field-selector=spec.policyRef=pulse");
    const fired = items.filter(
      (item) =>
        Date.parse(item.spec.scheduledTime ?? "") > since - 60_000 &&
        Date.parse(item.spec.scheduledTime ?? "") <= slot &&
        item.status?.phase === "Succeeded",
    );
    return fired.length > 0 ? fired : undefined;
  });
  say(`BackupRun ${slots[0]!.metadata.name}, due at ${slots[0]!.spec.scheduledTime}, has appeared`);
  web1.agent.expectRunning();
  return "a backup outlived its operator and its agent, with one snapshot and one result; a schedule fired without the operator";
}
