import { parseArgs } from "node:util";
import { install } from "../../test/simulation/hooks.ts";
import { PLANTS } from "../../test/simulation/plants.ts";

const USAGE = `simulate: histories of agent and operator under faults, each from a seed; exits 1 where something did not hold

  --seeds N        how many histories (default 1000)
  --from N         the first seed (default 1)
  --seed N         one history, said in full
  --trace          with --seed: everything that happens in it
  --plant NAME     with a bug planted on purpose: ${Object.keys(PLANTS).join(", ")}
  --stop-at-first  ends at the first history that fails
`;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
    plant: { type: "string" },
    "stop-at-first": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function count(name: "seeds" | "from" | "seed"): number {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  process.stderr.write(`--${name} must be a whole number, not ${values[name]}\n\n${USAGE}`);
  process.exit(2);
}

const plant = values.plant === undefined ? [] : PLANTS[values.plant];
if (values.help || plant === undefined) {
  process.stderr.write(values.help ? USAGE : `there is no plant ${values.plant}\n\n${USAGE}`);
  process.exit(values.help ? 0 : 2);
}
install(plant);
// Only now: the hooks must be in place before anything of the product is loaded.
const { runHistories } = await import("../../test/simulation/run.ts");

const failed = await runHistories({
  from: values.seed === undefined ? count("from") : count("seed"),
  seeds: values.seed === undefined ? count("seeds") : 1,
  replay: `node hack/simulate/main.ts${values.plant === undefined ? "" : ` --plant ${values.plant}`}`,
  say: (line) => process.stdout.write(`${line}\n`),
  trace: values.seed !== undefined && values.trace,
  stopAtFirst: values["stop-at-first"],
});
process.exit(failed === 0 ? 0 : 1);
