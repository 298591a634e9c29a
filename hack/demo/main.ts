import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { applyCRDs } from "../cluster/crds.ts";
import { Stage, sweepStages } from "../stage/stage.ts";
import { ensureTools } from "../tools/tools.ts";
import { backUp } from "./back-up.ts";
import { enrol } from "./enrol.ts";
import { killInMidRun } from "./kill-in-mid-run.ts";
import { chapter, say, show } from "./narrator.ts";
import { restore } from "./restore.ts";

const { values } = parseArgs({
  options: {
    keep: { type: "boolean", default: false },
    files: { type: "string", default: "20000" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(
    "npm run demo -- [--keep] [--files N]\n\n" +
      "Plays Holdfast's main job on real parts of this machine, in a temporary folder.\n" +
      "  --keep     leave it up at the end, until Ctrl-C, to try kubectl on it\n" +
      "  --files N  files of each host's tree (20000)",
  );
  process.exit(0);
}
const files = Number(values.files);
if (!Number.isInteger(files) || files < 1 || files > 1_000_000) {
  console.error(`--files ${values.files}: write a whole number from 1 to 1000000`);
  process.exit(2);
}

const began = systemClock.monotonic();
let cluster: Cluster | undefined;
let stage: Stage | undefined;
let striking: Promise<void> | undefined;
/** Once, whatever asks for it first: the end of the demo, an error, or Ctrl-C. */
const strike = () => {
  striking ??= (async () => {
    await stage?.strike();
    await cluster?.stop();
  })();
  return striking;
};
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // Also a second one, lest an impatient Ctrl-C leaves half of it behind.
  process.on(signal, () => {
    say(`${signal}: taking everything down`);
    void strike().then(() => process.exit(130));
  });
}

try {
  chapter("A Kubernetes API, a repository server, an operator");
  for (const folder of await sweepStages()) say(`removed ${folder}, left behind by a demo that was killed`);
  const report = (line: string) => say(line);
  await ensureTools(["restic", "rest-server"], { report });
  cluster = await startCluster({ report });
  await applyCRDs(cluster);
  say(`Kubernetes API up at ${cluster.server}`);
  stage = await Stage.set({ cluster, namespace: "demo", system: "holdfast-system" });
  say(`rest-server up at ${stage.repository.url.replace(/^rest:/, "")} (TLS, htpasswd)`);
  say(`operator up (pid ${stage.operator.pid})`);
  const results = [await enrol(stage, files), await backUp(stage), await killInMidRun(stage), await restore(stage)];
  chapter("What Kubernetes shows");
  const kinds = "hosts,repositories,backuppolicies,backupruns,restores";
  show(`kubectl get ${kinds}`, await stage.kubectl(["get", kinds]));
  chapter("Summary");
  for (const result of results) say(`✓ ${result}`);
  say(`all of it in ${((systemClock.monotonic() - began) / 1000).toFixed(0)} s`);
  if (values.keep) await keep(stage);
} catch (error) {
  say(`✗ ${messageOf(error)}`);
  for (const [file, end] of stage?.logs() ?? []) show(`tail ${file}`, end.replace(/^(.{500}).+$/gm, "$1…"));
  process.exitCode = 1;
} finally {
  if (striking === undefined) say("taking everything down");
  await strike();
}

/** Leaves everything up until Ctrl-C. */
async function keep(stage: Stage): Promise<void> {
  chapter("Kept up");
  await stage.kubectl(["config", "set-context", "--current", `--namespace=${stage.namespace}`]);
  const { environment, kubectl } = stage.cluster;
  const lines = Object.entries(environment).map(([name, value]) => `export ${name}=${value}\n`);
  writeFileSync(join(stage.directory, "env"), `${lines.join("")}export PATH=${dirname(kubectl)}:$PATH\n`);
  say(`in another shell:  source ${join(stage.directory, "env")}`);
  say("  kubectl get holdfast");
  say("  kubectl explain backuppolicy.spec");
  say("  kubectl create --filename examples/quickstart/backuprun.yaml");
  say("  kubectl annotate backuppolicy www holdfast.dev/run-requested-at=$(date +%s) --overwrite");
  say(`logs: ${join(stage.directory, "*.log")}`);
  say("Ctrl-C here takes it down");
  // Nothing else holds the event loop: the signal handlers above end the process.
  await new Promise(() => setInterval(() => {}, 3_600_000));
}
