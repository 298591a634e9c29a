import { messageOf } from "#base/errors.ts";
import { toolNames } from "./modules.ts";
import { ensureTools } from "./tools.ts";

try {
  const paths = await ensureTools(toolNames, { report: (line) => console.error(line) });
  for (const [name, path] of Object.entries(paths)) console.log(`${name.padEnd(24)} ${path}`);
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
