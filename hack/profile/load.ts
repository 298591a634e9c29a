import { startCluster } from "../cluster/cluster.ts";
import { applyCRDs } from "../cluster/crds.ts";
import { createRun } from "../demo/back-up.ts";
import { enrol } from "../demo/enrol.ts";
import { say } from "../demo/narrator.ts";
import { Stage } from "../stage/stage.ts";

const FILES = 200;
/** Between two creations of a run on both machines. */
const EACH_MS = 1_000;

/** An operator with two agents that back up again and again until it is disposed of. `pid`: the operator's. */
export async function profiledStage(): Promise<AsyncDisposable & { readonly pid: number; runs(): number }> {
  const cluster = await startCluster({ report: say });
  let stage: Stage | undefined;
  const strike = async () => {
    await stage?.strike();
    await cluster.stop();
  };
  try {
    await applyCRDs(cluster);
    stage = await Stage.set({ cluster, namespace: "profile", system: "profile-system" });
    // Any free port: 9229 may be another process's.
    stage.operator.environment["NODE_OPTIONS"] = "--inspect-port=0";
    await stage.operator.stop("SIGTERM");
    await stage.startOperator();
    await enrol(stage, FILES);
  } catch (error) {
    await strike();
    throw error;
  }
  const { operator, machines } = stage;
  const of = stage;
  let runs = 0;
  const load = setInterval(() => {
    for (const { name } of machines) {
      void createRun(of, (run) => {
        run.metadata.generateName = `profile-${name}-`;
        run.spec.hostRef = name;
      }).then(
        () => void runs++,
        () => {}, // The stage is being struck.
      );
    }
  }, EACH_MS);
  return {
    pid: operator.pid,
    runs: () => runs,
    async [Symbol.asyncDispose]() {
      clearInterval(load);
      await strike();
    },
  };
}
