import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { HoldfastError } from "#base/errors.ts";
import type { Restore } from "#crds/restore.ts";
import type { Machine } from "../stage/machine.ts";
import type { Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";
import { manifest } from "./back-up.ts";
import { chapter, say, show } from "./narrator.ts";
import { differences, readTree } from "./tree.ts";

/** Deletes web-1's tree, restores it to another folder, and compares content, modes and times. */
export async function restore(stage: Stage): Promise<string> {
  chapter("A tree is deleted, and comes back");
  const [web1] = stage.machines as [Machine];
  const tree = join(web1.root, "srv/www");
  const before = await readTree(tree);
  rmSync(tree, { recursive: true });
  say(`web-1: rm -r /srv/www   (${before.size} files, folders and links below ${web1.root})`);
  const created = await stage.kubectl(
    ["create", "--filename=-", "--output=name"],
    manifest<Restore>("restore.yaml", () => {}),
  );
  const name = created.trim().replace(/^.*\//, "");
  const ended = await until(`Restore ${name} ends`, 120, async () => {
    const found = await stage.get<Restore>("restore", name);
    return ["Succeeded", "PartiallyFailed", "Failed", "Cancelled"].includes(found.status?.phase ?? "") && found;
  });
  show(`kubectl get restore ${name}`, await stage.kubectl(["get", "restore", name]));
  if (ended.status?.phase !== "Succeeded")
    throw new HoldfastError("demo/restore", `Restore ${name} is ${ended.status?.phase}: ${ended.status?.message}`);
  const restored = join(web1.root, "var/lib/holdfast/restore/www/srv/www");
  const after = await readTree(restored);
  const wrong = differences(before, after);
  if (wrong.length > 0) throw new HoldfastError("demo/differences", `the restored tree differs:\n${wrong.join("\n")}`);
  say("restored to /var/lib/holdfast/restore/www, compared, and moved back to /srv/www");
  renameSync(restored, tree);
  return `${after.size} files, folders and links restored: checksums, modes and times are equal`;
}
