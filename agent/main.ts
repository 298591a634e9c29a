#!/usr/bin/env node
import { systemClock } from "#base/clock.ts";
import { HoldfastError, messageOf } from "#base/errors.ts";
import { ExitCode } from "#base/exit-code.ts";
import { maskTokens } from "#protocol/enroll.ts";
import { PROTOCOL_VERSION, RELEASE } from "#protocol/version.ts";
import { readArguments, type Values } from "./cli/arguments.ts";
import { COMMAND_NAMES, helpOf, usage } from "./cli/help.ts";
import type { Command } from "./cli/settings.ts";

// restic probes whether a lock's process lives by sending it SIGHUP; with one hostname in two containers that hits us.
process.on("SIGHUP", () => {});

// Everything it writes is its own: a copy of the state folder must not be readable where the folder was not.
process.umask(0o077);

// Node would print all that hangs on an error, and that may be anything.
process.on("uncaughtException", (error) => {
  process.stderr.write(`holdfast-agent: it crashed, please report this: ${messageOf(error)}\n${error.stack}\n`);
  process.exit(ExitCode.failed);
});

const stop = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop.abort(new Error(signal)));

/** Each command loads only what it needs: the agent's memory counts. */
const commands: { readonly [C in Command]: (values: Values) => Promise<number> } = {
  async enroll(values) {
    const { enrolHere } = await import("./cli/enroll.ts");
    process.stdout.write(`${await enrolHere(values, stop.signal)}\n`);
    return ExitCode.ok;
  },
  async run(values) {
    const { runAgent } = await import("./cli/run.ts");
    await runAgent(values, stop.signal);
    return ExitCode.ok;
  },
  async "health-check"({ stateDir, connected }) {
    const { readHealth } = await import("./cli/health.ts");
    const health = readHealth(stateDir, systemClock.now());
    process.stdout.write(`${health.sentence}\n`);
    return health.runs && (health.connected || !connected) ? ExitCode.ok : ExitCode.failed;
  },
  async version({ json }) {
    const version = { version: RELEASE, protocol: PROTOCOL_VERSION, node: process.versions.node };
    process.stdout.write(
      json ? `${JSON.stringify(version)}\n` : `holdfast-agent ${RELEASE} (protocol ${PROTOCOL_VERSION})\n`,
    );
    return ExitCode.ok;
  },
  async "dump-state"({ stateDir, allowSecrets }) {
    const { dumpState } = await import("./cli/dump-state.ts");
    process.stdout.write(`${JSON.stringify(dumpState(stateDir, allowSecrets ?? false), null, 2)}\n`);
    return ExitCode.ok;
  },
};

async function main([name, ...argv]: string[]): Promise<number> {
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    process.stdout.write(usage());
    return name === undefined ? ExitCode.usage : ExitCode.ok;
  }
  const command = COMMAND_NAMES.find((known) => known === name);
  if (!command)
    throw new HoldfastError(
      "cli/usage",
      `there is no command ${JSON.stringify(maskTokens(name))}; there are ${COMMAND_NAMES.join(", ")}`,
    );
  if (argv.includes("--help") || argv.includes("-h")) {
    process.stdout.write(helpOf(command));
    return ExitCode.ok;
  }
  return commands[command](readArguments(command, argv, process.env));
}

// No top-level await: the single executable is a CommonJS bundle.
main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const code = error instanceof HoldfastError ? error.code : undefined;
    process.stderr.write(`holdfast-agent: ${messageOf(error)}${code === undefined ? "" : ` (${code})`}\n`);
    process.exitCode = code === "cli/usage" ? ExitCode.usage : ExitCode.failed;
  },
);
