import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { systemClock as clock } from "#base/clock.ts";
import { HoldfastError, messageOf } from "#base/errors.ts";
import { say } from "../demo/narrator.ts";
import { Inspector } from "./inspector.ts";
import { profiledStage } from "./load.ts";
import { type CpuProfile, cpuShares, type HeapNode, heapShares } from "./top.ts";

const USAGE = `profile cpu|heap [--pid N | --inspector HOST:PORT] [--seconds 20] [--out FILE]

Profiles an operator (or an agent) and prints which functions took most themselves; FILE opens in Chrome's DevTools.
  (neither)      an operator of its own on a stage with two agents that make one backup after the other
  --pid          a Node process of this machine; its inspector is opened by SIGUSR1 and closed again
  --inspector    one that is open already, for a pod: send SIGUSR1 to its process (kubectl exec POD -- node -e
                 'process.kill(1, "SIGUSR1")'), then kubectl port-forward POD 9229; restart the pod afterwards, or the
                 inspector stays open inside it
Both profiles hold names of functions and numbers. A heap snapshot would hold every secret in memory: never take one.`;

/** Between two samples: as fine as costs about one in a hundred of the CPU, and the heap's default of V8. */
const CPU_MICROSECONDS = 500;
const HEAP_BYTES = 32_768;
const SHOWN = 20;

async function profile(inspector: Inspector, sort: "cpu" | "heap", seconds: number, out: string): Promise<void> {
  if (sort === "cpu") {
    await inspector.call("Profiler.enable");
    await inspector.call("Profiler.setSamplingInterval", { interval: CPU_MICROSECONDS });
    await inspector.call("Profiler.start");
    await clock.sleep(seconds * 1000);
    const { profile } = await inspector.call<{ profile: CpuProfile }>("Profiler.stop");
    writeFileSync(out, JSON.stringify(profile));
    print("self, ms", cpuShares(profile), 1);
  } else {
    await inspector.call("HeapProfiler.enable");
    await inspector.call("HeapProfiler.startSampling", { samplingInterval: HEAP_BYTES });
    await clock.sleep(seconds * 1000);
    // What nobody holds any more is not what memory goes into.
    await inspector.call("HeapProfiler.collectGarbage");
    const { profile } = await inspector.call<{ profile: { head: HeapNode } }>("HeapProfiler.stopSampling");
    writeFileSync(out, JSON.stringify(profile));
    print("held, KiB", heapShares(profile.head), 1024);
  }
  say(`written: ${out}`);
}

function print(unit: string, shares: readonly { where: string; self: number }[], per: number): void {
  const all = shares.reduce((sum, { self }) => sum + self, 0);
  console.log(`\n| ${unit} | % | function |\n|---|---|---|`);
  for (const { where, self } of shares.slice(0, SHOWN)) {
    console.log(`| ${(self / per).toFixed(1)} | ${((100 * self) / all).toFixed(1)} | ${where} |`);
  }
  console.log("");
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      pid: { type: "string" },
      inspector: { type: "string" },
      seconds: { type: "string", default: "20" },
      out: { type: "string" },
    },
  });
  const [sort, ...rest] = positionals;
  const seconds = Number(values.seconds);
  const bad = rest.length > 0 || !(seconds > 0) || (values.pid !== undefined && !/^[1-9]\d*$/.test(values.pid));
  if ((sort !== "cpu" && sort !== "heap") || bad) throw new HoldfastError("profile/usage", USAGE);
  const out = values.out ?? `holdfast-${new Date(clock.now()).toISOString().replaceAll(/[:.]/g, "-")}.${sort}profile`;
  if (values.inspector !== undefined) {
    await using inspector = await Inspector.attach(values.inspector);
    return await profile(inspector, sort, seconds, out);
  }
  if (values.pid !== undefined) {
    await using inspector = await Inspector.open(Number(values.pid));
    return await profile(inspector, sort, seconds, out);
  }
  await using stage = await profiledStage();
  await using inspector = await Inspector.open(stage.pid);
  await profile(inspector, sort, seconds, out);
  say(`${stage.runs()} backups meanwhile`);
}

await main().catch((error: unknown) => {
  console.error(messageOf(error));
  process.exitCode = 1;
});
