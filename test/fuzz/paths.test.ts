import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { filesPlan } from "#protocol/config.ts";
import { DEFAULT_RULES, normalPath } from "../../agent/rules.ts";
import { restoreArgv } from "../../agent/runner/argv.ts";
import { pathsBelow } from "../../agent/runner/paths.ts";
import { checkTarget } from "../../agent/runner/target.ts";
import { type RestServer, startRestServer } from "../../hack/rest-server/rest-server.ts";
import {
  access,
  config,
  openAgent,
  policy,
  restoreCommand,
  runCommand,
  taskCommand,
  temporaryFolder,
} from "../integration/agent-world.ts";
import { anyText } from "./arbitrary-of.ts";

let dir: ReturnType<typeof temporaryFolder>;
let root: string;
let server: RestServer;

beforeAll(async () => {
  dir = temporaryFolder();
  root = realpathSync(dir.path);
  server = await startRestServer({ plain: true, directory: `${root}/repositories` });
});
afterAll(async () => {
  await server?.stop();
  await dir?.remove();
});

/** Names as Linux takes them: any bytes but NUL and the slash, up to 255. */
const NAMES: readonly Buffer[] = [
  ...[
    "plain",
    " ",
    "-",
    "--help",
    "-rf",
    "*",
    "?[a-z]",
    "a\nb",
    "tab\there",
    "quote\"'`$(id)",
    "back\\slash",
    "~",
    "#",
    "%00",
    "...",
  ].map((name) => Buffer.from(name)),
  ...["ümläut", "日本語", "\u202egnp.exe", "e\u0301", "😀", "x".repeat(255)].map((name) => Buffer.from(name)),
  Buffer.from([0xff, 0xfe]),
  Buffer.from([0x61, 0x80, 0x0a, 0xc3, 0x28]),
  Buffer.from([0x1b, 0x5b, 0x33, 0x31, 0x6d]),
];
const below = (folder: Buffer | string, name: Buffer | string) =>
  Buffer.concat([Buffer.from(folder), Buffer.from("/"), Buffer.from(name)]);

/** Every entry below `folder` by the bytes of its name, with what it holds or where it points. */
function contents(folder: Buffer, prefix = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(folder, { encoding: "buffer" })) {
    const path = below(folder, name);
    const shown = `${prefix}/${name.toString("latin1")}`;
    const entry = lstatSync(path);
    if (entry.isSymbolicLink()) found.set(shown, `-> ${readlinkSync(path, { encoding: "buffer" }).toString("latin1")}`);
    else if (entry.isFile()) found.set(shown, readFileSync(path, "latin1"));
    else {
      found.set(shown, "");
      for (const [inner, value] of contents(path, shown)) found.set(inner, value);
    }
  }
  return found;
}

test("a tree of names that no shell and no terminal likes comes back as it was, also through folders with such names", async () => {
  const strange = Buffer.from("/strange -- *?[x]\n$(touch pwned) 'ü' \\");
  const tree = Buffer.concat([Buffer.from(root), strange]);
  mkdirSync(tree);
  for (const [index, name] of NAMES.entries()) {
    writeFileSync(below(tree, name), `content ${index}`);
    const folder = below(tree, Buffer.concat([Buffer.from("d"), name.subarray(0, 200)]));
    mkdirSync(folder);
    writeFileSync(below(folder, name), `inner ${index}`);
    symlinkSync(below("..", name), below(folder, "link"));
  }
  symlinkSync("/etc/passwd", below(tree, "out"));
  symlinkSync("nowhere", below(tree, "dangling"));
  // Just within what Linux takes for one path, also where it is restored to.
  const deep = tree.toString() + `/${"p".repeat(200)}`.repeat(18);
  mkdirSync(deep, { recursive: true });
  writeFileSync(`${deep}/file`, "deep");
  const agent = await openAgent(root);
  const main = access(`${server.url}strange/`);
  const task = await agent.task(taskCommand(main, true));
  const known = { ...main, repositoryID: task.repositoryID! };
  const path = tree.toString();
  agent.core.applyConfig(config([policy([path])], [known]));
  const run = await agent.run(runCommand());
  expect(run).toMatchObject({ phase: "Succeeded" });
  expect(JSON.stringify(run)).not.toMatch(/\\u001b|\\u202e/);
  const target = `${root}/restored/strange`;
  expect(await agent.restore(restoreCommand(known, target))).toMatchObject({ phase: "Succeeded" });
  const mapped = restoreCommand(known, `${root}/restored/mapped`, {
    pathMapping: [{ from: path, to: `${root}/restored/mapped/[*]` }],
  });
  expect(await agent.restore(mapped)).toMatchObject({ phase: "Succeeded" });
  await agent.close();
  const before = contents(tree);
  expect(before.size).toBeGreaterThan(70);
  expect(contents(Buffer.from(target + path))).toEqual(before);
  expect(contents(Buffer.from(`${root}/restored/mapped/[*]`))).toEqual(before);
}, 120_000);

test("a path that holds NUL, climbs, or is not absolute reaches no argument", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 30 }), (text) => {
      for (const path of [text.replace(/^\/+/, ""), `/a\0${text}`, `/a/../${text}`, `/${text}/..`]) {
        const read = filesPlan.safeParse(policy([path]).files);
        if (read.success) expect(() => normalPath(path)).toThrow('absolute path without ".."');
      }
    }),
  );
});

test("an argument that begins like an option stays a value", () => {
  fc.assert(
    fc.property(
      fc.array(
        anyText(20).map((text) => `--${text}`),
        { minLength: 1, maxLength: 4 },
      ),
      (patterns) => {
        const command = { include: patterns, exclude: [], overwrite: "Never", verify: false, dryRun: false } as const;
        const argv = restoreArgv({
          command: { ...command, include: [...patterns], exclude: [] },
          snapshotID: "a".repeat(64),
          from: "",
          target: "/t",
          limits: {},
          remainingMs: 1,
        });
        for (const pattern of patterns)
          expect(argv.filter((argument) => argument === `--include=${pattern}`).length).toBeGreaterThan(0);
        expect(argv.slice(argv.indexOf("--"))).toEqual(["--", "a".repeat(64)]);
      },
    ),
  );
});

test("whatever symlinks lie about, a target that is allowed lies inside the restore roots when its folders are made", () => {
  const name = fc.constantFrom("a", "b", "c");
  const step = fc.oneof({ weight: 4, arbitrary: name }, fc.constantFrom("..", ".", "", "a/b", "link"));
  const entry = fc.record({
    at: fc.array(name, { minLength: 1, maxLength: 3 }),
    to: fc.oneof(
      fc.constantFrom("/", "..", "../..", "/etc", ".", "a", "../a", "loop", "../outside"),
      fc.constant(undefined),
    ),
  });
  let round = 0;
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 6 }), fc.array(step, { minLength: 1, maxLength: 5 }), (entries, steps) => {
      const base = `${root}/targets/${++round}`;
      const allowed = `${base}/roots`;
      mkdirSync(allowed, { recursive: true });
      mkdirSync(`${base}/outside`);
      for (const { at, to } of entries) {
        try {
          const path = join(allowed, ...at);
          if (to === undefined) mkdirSync(path, { recursive: true });
          else symlinkSync(to, path);
        } catch {
          // The place is taken, or its folder is missing: another round has it.
        }
      }
      const rules = { ...DEFAULT_RULES, restoreRoots: [allowed] };
      let target: string;
      try {
        target = checkTarget(rules, `${allowed}/${steps.join("/")}`, pathsBelow(""));
      } catch (error) {
        expect(error).toHaveProperty(
          "code",
          expect.stringMatching(/^agent\/(refused-by-host|target-invalid|bad-path)$/),
        );
        return;
      }
      mkdirSync(target, { recursive: true });
      const real = realpathSync(target);
      expect(real === allowed || real.startsWith(`${allowed}/`)).toBe(true);
      rmSync(base, { recursive: true });
    }),
    { numRuns: 300 },
  );
});
