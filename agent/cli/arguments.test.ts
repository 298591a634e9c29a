import { expect, test } from "vitest";
import { formatToken } from "#protocol/enroll.ts";
import { readArguments } from "./arguments.ts";
import type { Command } from "./settings.ts";

const SECRET = "5ecret".repeat(7);
const TOKEN = formatToken("0f8fad5b-d9cb-469f-a165-70867728950e", `${SECRET}x`);

function problems(command: Command, argv: string[], env: NodeJS.ProcessEnv = {}): string {
  try {
    readArguments(command, argv, env);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error("the arguments were accepted");
}

test.each<[string, Command, string[], string]>([
  ["alone", "enroll", [TOKEN], "argument 1 belongs to no flag; enroll takes flags only"],
  ["behind a flag that does not exist", "enroll", ["--token", TOKEN], "argument 2 belongs to no flag"],
  ["inside such a flag", "enroll", [`--token=${TOKEN}`], "--token is no flag of enroll"],
  ["as the name of a flag", "run", [`--${TOKEN}`], "--*** is no flag of run"],
  ["in place of the token's file", "enroll", ["--token-file", TOKEN], "--token-file is the token itself"],
  ["in place of the pin", "enroll", ["--pin", TOKEN], "--pin is no pin"],
  ["in place of the name", "enroll", ["--hostname", `${TOKEN}/`], '--hostname is "***/"'],
  ["in place of a folder", "run", ["--state-dir", TOKEN], '--state-dir is "***"'],
  ["in place of a choice", "run", ["--log-level", TOKEN], '--log-level is "***"; choose of debug'],
])("a token %s is not repeated", (_, command, argv, message) => {
  const said = problems(command, argv);
  expect(said).toContain(message);
  expect(said).not.toContain("5ecret");
});

test.each([
  ["with a password", `https://admin:${SECRET}@holdfast.example.com`],
  ["with a query", `https://holdfast.example.com/?token=${SECRET}`],
])("an address %s is refused and not repeated, be it a flag or a variable", (_, address) => {
  for (const said of [
    problems("enroll", ["--server", address]),
    problems("enroll", [], { HOLDFAST_SERVER: address }),
  ]) {
    expect(said).toContain("is no such address; write the operator's address, such as https://");
    expect(said).not.toContain("5ecret");
  }
});

test("an address that holds nothing to hide is repeated", () => {
  expect(problems("enroll", ["--server", "http://holdfast.example.com"])).toContain(
    '--server is "http://holdfast.example.com"; write',
  );
});
