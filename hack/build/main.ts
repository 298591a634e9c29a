import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ARCHITECTURES, buildAgent } from "./executable.ts";

/** `npm run build:agent`: the agent as one executable file for each architecture, with its checksum beside it. */
const { values } = parseArgs({
  options: {
    arch: { type: "string", multiple: true, default: [process.arch] },
    out: { type: "string", default: fileURLToPath(new URL("../../dist", import.meta.url)) },
  },
});
mkdirSync(values.out, { recursive: true });
for (const wanted of values.arch) {
  const architecture = ARCHITECTURES.find((known) => known === wanted);
  if (architecture === undefined) {
    process.stderr.write(`--arch must be ${ARCHITECTURES.join(" or ")}, not ${wanted}\n`);
    process.exit(2);
  }
  const output = join(values.out, `holdfast-agent-linux-${architecture}`);
  await buildAgent(output, architecture);
  const bytes = readFileSync(output);
  const sum = createHash("sha256").update(bytes).digest("hex");
  // As sha256sum --check reads it.
  writeFileSync(`${output}.sha256`, `${sum}  ${basename(output)}\n`);
  console.log(`${output}: ${(bytes.length / 2 ** 20).toFixed(1)} MiB, sha256 ${sum}`);
}
