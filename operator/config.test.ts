import { expect, test } from "vitest";
import { readConfig, usage } from "./config.ts";

const least = { HOLDFAST_NAMESPACE: "holdfast", HOLDFAST_PUBLIC_URL: "https://backup.example.com" };

test("--help says of every variable what it is, and of each that can be left out its default", () => {
  const said = usage();
  expect(said).not.toContain("undefined");
  for (const name of Object.keys({ ...least, HOLDFAST_WATCH_NAMESPACES: 0, HOLDFAST_LISTEN: 0, HOLDFAST_REPLICA: 0 })) {
    expect(said).toMatch(new RegExp(`  ${name}\n        [A-Z].*(Required|Default: .*)\\.\n`));
  }
});

test("namespace and public address are enough", () => {
  const config = readConfig({ ...least, HOLDFAST_REPLICA: "replica-a" });
  expect(config).toEqual({
    namespace: "holdfast",
    watchNamespaces: undefined,
    listen: { host: "0.0.0.0", port: 8443 },
    advertise: undefined,
    publicURL: new URL("https://backup.example.com"),
    replica: "replica-a",
    logLevel: "info",
  });
});

test("everything can be set, lists with spaces and an IPv6 address too", () => {
  const config = readConfig({
    ...least,
    HOLDFAST_WATCH_NAMESPACES: "a, b,a",
    HOLDFAST_LISTEN: "[::1]:9000",
    HOLDFAST_REPLICA: "one",
    HOLDFAST_LOG_LEVEL: "debug",
  });
  expect(config.watchNamespaces).toEqual(["a", "b"]);
  expect(config.listen).toEqual({ host: "::1", port: 9000 });
  expect(config.logLevel).toBe("debug");
});

test("other replicas are told the address it listens on, unless that is all of them, or the one that is set", () => {
  const advertised = (more: object) => readConfig({ ...least, ...more }).advertise;
  expect(advertised({ HOLDFAST_LISTEN: "10.0.0.7:8443" })).toBe("10.0.0.7:8443");
  expect(advertised({ HOLDFAST_LISTEN: "[fd00::7]:8443" })).toBe("[fd00::7]:8443");
  for (const all of ["[::]:8443", "[::0]:8443", "[0:0::0]:8443", "[::ffff:0.0.0.0]:8443", "0:8443", "0.0.0.0:8443"])
    expect(advertised({ HOLDFAST_LISTEN: all })).toBeUndefined();
  expect(advertised({ HOLDFAST_ADVERTISE: "10.0.0.8:8443" })).toBe("10.0.0.8:8443");
  for (const all of ["0.0.0.0:8443", "0:8443", "[::0]:8443"])
    expect(() => advertised({ HOLDFAST_ADVERTISE: all })).toThrow(/HOLDFAST_ADVERTISE must be an address that/);
});

test("an empty variable is an unset one", () => {
  expect(readConfig({ ...least, HOLDFAST_WATCH_NAMESPACES: "", HOLDFAST_LISTEN: "" }).listen.port).toBe(8443);
});

test("all mistakes are told at once, each with what to write", () => {
  expect(() =>
    readConfig({
      HOLDFAST_PUBLIC_URL: "http://backup.example.com/path",
      HOLDFAST_LISTEN: "8443",
      HOLDFAST_WATCH_NAMESPACES: "good,Bad_One",
      HOLDFAST_LOG_LEVEL: "loud",
    }),
  ).toThrowErrorMatchingInlineSnapshot(
    `[HoldfastError: the operator cannot start: HOLDFAST_NAMESPACE is not set; it is the namespace the operator runs in; HOLDFAST_WATCH_NAMESPACES must be the name of a namespace (a-z, 0-9 and -); HOLDFAST_LISTEN must be host:port, for example 0.0.0.0:8443 or [::]:8443; HOLDFAST_PUBLIC_URL must be the https address at which agents reach the operator, without a path: https://holdfast.example.com:8443; HOLDFAST_LOG_LEVEL Invalid option: expected one of "debug"|"info"|"warn"|"error".]`,
  );
});

test.each(["https://user:pass@a.example", "https://a.example/?x=1", "a.example", "wss://a.example"])(
  "%s is no public address",
  (url) => {
    expect(() => readConfig({ ...least, HOLDFAST_PUBLIC_URL: url })).toThrow(/without a path/);
  },
);

test.each(["0.0.0.0:0", "0.0.0.0:70000", "::1:80", ""])("%s is no address to listen on, or unset", (address) => {
  const read = () => readConfig({ ...least, HOLDFAST_LISTEN: address });
  if (address === "") expect(read().listen.port).toBe(8443);
  else expect(read).toThrow(/HOLDFAST_LISTEN must be host:port/);
});

test("the replica is called after its machine; a machine whose name cannot be is told so", () => {
  expect(readConfig(least, "Operator-7f9c").replica).toBe("operator-7f9c");
  expect(() => readConfig(least, "my_machine")).toThrow(
    `HOLDFAST_REPLICA is not set; this machine's name, "my_machine", cannot stand for it: give it at most 63 of a-z, 0-9, - and .`,
  );
});

test.each(["a..b", "a.-b", "-a", "a.", "a".repeat(64)])("%s can name no Lease, and so no replica", (replica) => {
  expect(() => readConfig({ ...least, HOLDFAST_REPLICA: replica })).toThrow(/HOLDFAST_REPLICA must be at most 63/);
});
