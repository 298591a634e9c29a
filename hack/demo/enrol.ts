import { join } from "node:path";
import { seededRandom } from "#base/random.ts";
import type { Stage } from "../stage/stage.ts";
import { chapter, say, show } from "./narrator.ts";
import { growTree } from "./tree.ts";

/** Applies the quickstart, gives two machines a tree of `files` files each, and enrols both with one token. */
export async function enrol(stage: Stage, files: number): Promise<string> {
  chapter("Two machines enrol with a token");
  show("kubectl apply --kustomize overlay   # examples/quickstart, address filled in", await stage.applyQuickstart());
  const machines = ["web-1", "web-2"].map((name) => stage.machine(name));
  for (const [index, machine] of machines.entries())
    await growTree(join(machine.root, "srv/www"), files, seededRandom(index + 1));
  say(`each machine has its own /srv/www of ${files} files and more, below ${stage.directory}`);

  const invitation = await stage.invitation("web");
  say(`Secret ${invitation.secretName} has the command for a new machine:`);
  say(`  ${invitation.command}`);
  for (const machine of machines) {
    say(`${machine.name}: ${(await machine.enrol(invitation)).split("\n").at(-1)}`);
    await stage.connect(machine);
  }
  await stage.kubectl(["wait", "--for=condition=Ready", "--timeout=60s", "repository/offsite", "backuppolicy/www"]);
  await stage.kubectl(["wait", "--for=condition=ConfigApplied", "--timeout=30s", "host/web-1", "host/web-2"]);
  show("kubectl get hosts,repositories", await stage.kubectl(["get", "hosts,repositories"]));
  return "two hosts enrolled with one token; one of them created the repository, once";
}
