import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { kubectl } from "../../hack/cluster/kubectl.ts";
import type { Stage } from "../../hack/stage/stage.ts";
import type { ProcessSample } from "./process-sampler.ts";

/** What can be searched, by the name of the place. */
export type Places = Map<string, Buffer | string>;

/**
 * Every resource of the stage's namespaces with its managed fields, Secrets without their data; and what the API server's
 * audit log says of them since it had `auditFrom` bytes.
 */
export async function clusterPlaces({ cluster, namespace, system }: Stage, auditFrom: number): Promise<Places> {
  const names = await kubectl(cluster, ["api-resources", "--verbs=list", "--namespaced=true", "--output=name"]);
  const kinds = names.split("\n").filter((kind) => kind !== "" && kind !== "secrets");
  const places: Places = new Map();
  for (const at of [namespace, system]) {
    const get = ["--namespace", at, "get", "--show-managed-fields", "--ignore-not-found"];
    places.set(`resources of ${at}`, await kubectl(cluster, [...get, kinds.join(","), "--output=yaml"]));
    for (const { data: _, ...visible } of await secretsOf(cluster, at)) {
      places.set(`Secret ${at}/${visible.metadata.name} without its data`, JSON.stringify(visible));
    }
  }
  const audit = readFileSync(cluster.auditLog, "utf8").slice(auditFrom).split("\n");
  places.set("audit log", audit.filter((line) => line.includes(namespace)).join("\n"));
  return places;
}

interface SecretObject {
  metadata: { name: string };
  data?: Record<string, string>;
}

export async function secretsOf(cluster: Stage["cluster"], namespace: string): Promise<SecretObject[]> {
  const get = ["--namespace", namespace, "get", "secrets", "--show-managed-fields", "--output=json"];
  return (JSON.parse(await kubectl(cluster, get)) as { items: SecretObject[] }).items;
}

/** The files below `folder`, but for those that `left` names (paths below it). */
export function folderPlaces(folder: string, left: readonly string[] = []): Places {
  const files = filesBelow(folder).filter((file) => !left.some((path) => relative(folder, file).startsWith(path)));
  return new Map(files.map((file) => [`file ${relative(folder, file)}`, readFileSync(file)]));
}

/** What lies in the machine's shared temporary folders since `since` (wall ms), but for what other tests have there. */
export function sharedPlaces(since: number): Places {
  const top = [tmpdir(), "/dev/shm"].flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  const places: Places = new Map();
  for (const path of top) {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found?.isFile() === true && found.mtimeMs >= since) places.set(`shared ${path}`, readFileSync(path));
    if (path.startsWith("/dev/shm/") && found?.isDirectory() === true) {
      for (const file of filesBelow(path)) places.set(`shared ${file}`, readFileSync(file));
    }
  }
  return places;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/**
 * The arguments of all processes, and their environments but for the variables that restic takes secrets by: it knows no
 * other way for them, and only the agent's own user can read them there.
 */
export function processPlaces(samples: readonly ProcessSample[]): Places {
  const ofRestic = ["RESTIC_REST_PASSWORD=", "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="];
  // Where the machine's administrator chose to keep a password there.
  const ofAgent = ["HOLDFAST_SECRET_OWN="];
  const places: Places = new Map();
  for (const { pid, argv, environment } of samples) {
    const [program = ""] = argv.split("\0");
    places.set(`argv of ${pid} ${program.slice(0, 40)}`, argv);
    const forRestic = environment.some((line) => line.startsWith("RESTIC_REPOSITORY="));
    const allowed = forRestic ? ofRestic : ofAgent;
    const visible = environment.filter((line) => !allowed.some((name) => line.startsWith(name)));
    places.set(`environment of ${pid} ${program.slice(0, 40)}`, visible.join("\n"));
  }
  return places;
}

/** What lies in the agent's folders of the machine in `folder` and could be read by others, were the folders open. */
export function readableByOthers(folder: string): string[] {
  return ["state", "cache", "run"].flatMap((name) =>
    readdirSync(join(folder, name), { withFileTypes: true, recursive: true }).flatMap((entry) => {
      const path = join(entry.parentPath, entry.name);
      const mode = lstatSync(path, { throwIfNoEntry: false })?.mode ?? 0;
      return (mode & 0o077) === 0 ? [] : [`${relative(folder, path)} ${(mode & 0o777).toString(8)}`];
    }),
  );
}
