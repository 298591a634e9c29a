import { settingsOf } from "./arguments.ts";
import type { Command } from "./settings.ts";

const WIDTH = 100;

const COMMANDS: { readonly [C in Command]: { summary: string; text: string } } = {
  enroll: {
    summary: "Make this machine a Host of a Holdfast operator.",
    text: `Spends an enrolment token and stores this machine's identity in the state folder. Needs an EnrollmentToken in the
cluster; its Secret (status.secretRef) holds the token, the pin and the address:

  holdfast-agent enroll --server https://holdfast.example.com:8443 --pin sha256/... < token

The server must prove that it holds the pinned key before anything is sent to it. The machine makes its own credential and
sends only its hash, so the command may be repeated after a lost answer. Then start the agent: holdfast-agent run.`,
  },
  run: {
    summary: "Run the agent.",
    text: `Holds a connection to the operator, runs backups on their schedules, also while the operator is away, and restores what
it is told. Logs JSON lines to standard output. SIGTERM ends the agent and leaves running backups alone; the next start
takes them up again.

What a policy or a restore may do on this machine is bounded by the rules below (--backup-root and following). They can be
set here only, never from the cluster.`,
  },
  "health-check": {
    summary: "Say whether the agent on this machine runs.",
    text: `Prints one line. Exit code 0: the agent runs (with --connected: and holds a connection). 1: it does not. A lost
connection alone is no reason to restart an agent: its backups go on without the operator.`,
  },
  version: { summary: "Print the version.", text: "Prints the version of the agent and of the protocol it speaks." },
  "dump-state": {
    summary: "Print what the agent knows, for a bug report.",
    text: `Prints the state folder's database as JSON: identity, configuration, journal, results that wait for delivery and those
the operator has refused. Credentials and passwords are left out. May be run while the agent runs.`,
  },
};

export const COMMAND_NAMES = Object.keys(COMMANDS) as Command[];

export function usage(): string {
  const lines = COMMAND_NAMES.map((name) => `  ${name.padEnd(14)}${COMMANDS[name].summary}`);
  return `holdfast-agent backs up this machine with restic, as a Holdfast operator in a Kubernetes cluster tells it to.

Usage: holdfast-agent <command> [flags]

${lines.join("\n")}

holdfast-agent <command> --help explains a command. Every flag with a variable beside it can be set by that.
`;
}

export function helpOf(command: Command): string {
  const flags = settingsOf(command).map((setting) => {
    const { flag, variable, placeholder, list, help, byDefault } = setting;
    const several = list ? [" (may be repeated)", ", separated by commas"] : ["", ""];
    const head = `  --${flag}${placeholder ? ` ${placeholder}` : ""}${several[0]}${variable ? `   [${variable}${several[1]}]` : ""}`;
    return `${head}\n${wrap(help + (byDefault === undefined ? "" : ` Default: ${byDefault}`), "        ")}`;
  });
  return `Usage: holdfast-agent ${command} [flags]

${COMMANDS[command].text}
${flags.length === 0 ? "" : `\nFlags:\n${flags.join("\n")}\n`}`;
}

function wrap(text: string, indent: string): string {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(" ")) {
    if (line.length + word.length + 1 > WIDTH && line !== indent) {
      lines.push(line.trimEnd());
      line = indent;
    }
    line += `${word} `;
  }
  return [...lines, line.trimEnd()].join("\n");
}
