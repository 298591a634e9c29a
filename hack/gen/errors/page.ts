import { ExitCode } from "#base/exit-code.ts";
import { Close } from "#protocol/limits.ts";
import { AGENT, KUBE, OPERATOR } from "./codes.ts";
import { CONDITIONS } from "./conditions.ts";
import { EVENTS } from "./events.ts";
import type { Explanation } from "./explanation.ts";
import { OUTCOMES } from "./outcomes.ts";
import { CLOSES, EXITS, FRAME_ERRORS, HTTP, SET_ASIDE } from "./wire.ts";

type Explained = Readonly<Record<string, Explanation>>;

/** docs/errors.md: every code once, with where it appears, what it means and what to do. */
export function errorsPage(): string {
  return `<!-- Generated from hack/gen/errors by \`npm run generate\`. Do not edit. -->
# Errors: what they mean and what to do

The reason of a run or a condition stands in \`kubectl get\` and \`kubectl describe\`; the message beside it names the path,
the host or the Secret. A code with a slash stands in the operator's log (field \`code\`) and in parentheses at the end of what
\`holdfast-agent\` says when it fails.

## Reasons

${table("reason", { ...OUTCOMES, ...CONDITIONS })}

## Events

An Event that says that something is no longer ready has the reason of its condition, above.

${table("reason", EVENTS)}

## Answers of the operator to agents and scrapers

${table("code", HTTP)}

## Close codes of an agent's connection

${table(
  "close code",
  renamed(CLOSES, (name) => String(Close[name])),
)}

## Error frames between agent and operator

${table("code", FRAME_ERRORS)}

## Codes of results that were set aside

The codes of calls to Kubernetes, below, stand here too. The agent keeps such a result: \`holdfast-agent dump-state\`.

${table("code", SET_ASIDE)}

## Codes of the agent

${table("code", AGENT)}

## Codes of the operator

${table("code", OPERATOR)}

## Codes of the operator's calls to Kubernetes

${table("code", KUBE)}

## Exit codes

${table(
  "exit code",
  renamed(EXITS, (name) => String(ExitCode[name])),
)}
`;
}

function renamed<K extends string>(codes: Readonly<Record<K, Explanation>>, name: (key: K) => string): Explained {
  return Object.fromEntries((Object.keys(codes) as K[]).map((key) => [name(key), codes[key]]));
}

function table(head: string, codes: Explained): string {
  const rows = Object.entries(codes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, columns]) => `| ${[code, ...columns].map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`);
  return [`| ${head} | where | meaning | what to do |`, "|---|---|---|---|", ...rows]
    .join("\n")
    .replaceAll("|  |", "| |");
}
