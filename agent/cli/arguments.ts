import { parseArgs } from "node:util";
import { HoldfastError } from "#base/errors.ts";
import { maskTokens } from "#protocol/enroll.ts";
import { type Command, type Parsed, SETTINGS, type Setting, type Settings } from "./settings.ts";

type ValueOf<S> = S extends Setting<infer T> ? T : never;
/** Each setting that has a default is there; any other only where it was given. */
export type Values = {
  [K in keyof Settings]: Settings[K] extends { byDefault: string }
    ? ValueOf<Settings[K]>
    : ValueOf<Settings[K]> | undefined;
};

const entries = Object.entries(SETTINGS) as [keyof Settings, Setting<unknown>][];

/** The settings of `command` in the order of its help. */
export function settingsOf(command: Command): Setting<unknown>[] {
  return entries.map(([, setting]) => setting).filter((setting) => setting.commands.includes(command));
}

/** Reads flags, then variables, then defaults; throws one error that names everything that is wrong. */
export function readArguments(command: Command, argv: string[], env: NodeJS.ProcessEnv): Values {
  const own = entries.filter(([, setting]) => setting.commands.includes(command));
  const problems: string[] = [];
  const flags = readFlags(command, own, argv, problems);
  const values: { [key: string]: unknown } = {};
  for (const [key, setting] of own) {
    const { texts, name } = textsOf(setting, flags[setting.flag], env);
    if (texts === undefined) continue;
    const parsed: Parsed<unknown> = setting.parse(texts);
    if ("problem" in parsed) problems.push(`${name} ${parsed.problem}`);
    else values[key] = parsed.value;
  }
  if (command === "enroll") {
    for (const { flag, variable } of [SETTINGS.server, SETTINGS.pin]) {
      if (flags[flag] === undefined && !env[variable!])
        problems.push(`--${flag} (or ${variable}) is missing; it is in the token's Secret`);
    }
  }
  if (problems.length > 0) {
    const text = maskTokens(problems.join("\n"));
    throw new HoldfastError("cli/usage", `${text}\nholdfast-agent ${command} --help explains each.`);
  }
  return values as Values;
}

function readFlags(
  command: Command,
  own: [keyof Settings, Setting<unknown>][],
  argv: string[],
  problems: string[],
): { [flag: string]: string[] | undefined } {
  const options = Object.fromEntries(
    own.map(([, { flag, placeholder }]) => [
      flag,
      { type: placeholder ? "string" : "boolean", multiple: true } as const,
    ]),
  );
  // Not strict: the parser would stop at the first mistake, and all are to be told.
  const { tokens } = parseArgs({ args: argv, options, strict: false, tokens: true });
  const flags: { [flag: string]: string[] } = {};
  for (const token of tokens) {
    // It is not repeated: behind a flag that does not exist stands, mostly, a password or a token.
    if (token.kind === "positional")
      problems.push(`argument ${token.index + 1} belongs to no flag; ${command} takes flags only`);
    if (token.kind !== "option") continue;
    const setting = own.find(([, { flag }]) => flag === token.name)?.[1];
    if (!setting) problems.push(`${token.rawName} is no flag of ${command}`);
    else if (!setting.placeholder && token.value !== undefined) problems.push(`${token.rawName} takes no value`);
    else if (setting.placeholder && token.value === undefined)
      problems.push(`${token.rawName} needs a value (${setting.placeholder})`);
    else {
      flags[setting.flag] ??= [];
      flags[setting.flag]!.push(token.value ?? "");
    }
  }
  return flags;
}

function textsOf(
  { flag, variable, list, byDefault }: Setting<unknown>,
  given: string[] | undefined,
  env: NodeJS.ProcessEnv,
): { texts: string[] | undefined; name: string } {
  if (given) return { texts: given, name: `--${flag}` };
  const split = (text: string) =>
    list
      ? text
          .split(",")
          .map((part) => part.trim())
          .filter((part) => part !== "")
      : [text];
  const set = variable === undefined ? undefined : env[variable];
  // An empty variable is one that was not set: compose files and unit files cannot leave one out.
  if (set) return { texts: split(set), name: variable! };
  return { texts: byDefault === undefined ? undefined : split(byDefault), name: `--${flag}` };
}
