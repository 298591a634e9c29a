import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import { type CRD, parseCRD } from "../../hack/gen/crd.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const here = fileURLToPath(new URL(".", import.meta.url));

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string } & Readonly<Record<string, unknown>>;
  readonly [part: string]: unknown;
}

/** One document of the corpus with what stands in the comments above it. */
export interface Entry {
  /** The comment's first line, and the file. */
  readonly title: string;
  readonly manifest: Manifest;
  /** `# refused: field: message`, once a cause of the API server's refusal. */
  readonly refused: readonly string[];
  /** `# answered: Type=Status Reason: message`, a condition that the operator sets. */
  readonly answered: string | undefined;
}

/** The files of one folder of the corpus, in order, each with its documents. */
export function corpus(folder: "good" | "bad" | "changes" | "answered"): { file: string; entries: Entry[] }[] {
  return globSync(`${folder}/**/*.yaml`, { cwd: here })
    .sort()
    .map((file) => ({ file, entries: readEntries(file) }));
}

function readEntries(file: string): Entry[] {
  // The comments above a document belong to it only where the text is cut before it is parsed.
  const texts = readFileSync(`${here}${file}`, "utf8").split(/^---$/m);
  return texts.map((text) => {
    const [document] = parseAllDocuments(text);
    const title = /^# (?!refused: |answered: )(.+)$/m.exec(text)?.[1] ?? "";
    const refused = [...text.matchAll(/^# refused: (.+)$/gm)].map(([, cause]) => cause!);
    const answered = /^# answered: (.+)$/m.exec(text)?.[1];
    return { title: `${title} (${file})`, manifest: document!.toJS() as Manifest, refused, answered };
  });
}

/** All CRDs of the project by kind. */
export function readCRDs(): CRD[] {
  return globSync("crds/*.yaml", { cwd: root })
    .sort()
    .map((file) => parseCRD(readFileSync(`${root}${file}`, "utf8"), file));
}
