import { describe, expect, test } from "vitest";
import { pathsBelow } from "./paths.ts";
import { redactor } from "./redact.ts";

describe("host paths in a container", () => {
  const paths = pathsBelow("/host");
  test.each<[string, string, string]>([
    ["a path there", paths.toRestic("/srv/www"), "/host/srv/www"],
    ["the root there", paths.toRestic("/"), "/host"],
    ["a path back", paths.toHost("/host/srv"), "/srv"],
    ["the root back", paths.toHost("/host"), "/"],
    ["a path that only begins alike", paths.toHost("/hosting/x"), "/hosting/x"],
    ["an absolute pattern", paths.patternToRestic("/srv/*.log"), "/host/srv/*.log"],
    ["a negated pattern", paths.patternToRestic("!/srv/a"), "!/host/srv/a"],
    ["a pattern for anywhere", paths.patternToRestic("*.log"), "*.log"],
    [
      "a message",
      paths.textToHost('open /host/srv/a: denied, "/host/etc" and /srv/host/x'),
      'open /srv/a: denied, "/etc" and /srv/host/x',
    ],
  ])("%s", (_, got, want) => {
    expect(got).toBe(want);
  });

  test("on a plain host nothing changes", () => {
    expect(pathsBelow("").toRestic("/srv")).toBe("/srv");
    expect(pathsBelow("/").textToHost("/host/srv")).toBe("/host/srv");
  });
});

describe("a secret in a text is replaced", () => {
  test.each<[string, string[], string, string]>([
    ["as it is", ["s3cr3t"], "password s3cr3t was refused", "password *** was refused"],
    ["every time", ["s3cr3t"], "s3cr3ts3cr3t", "******"],
    ["in JSON", ['a"b\\c-long'], '{"p":"a\\"b\\\\c-long"}', '{"p":"***"}'],
    ["in a URL", ["p@ss/word"], "https://u:p%40ss%2Fword@h/", "https://u:***@h/"],
    ["with a line end that restic trims", ["s3cr3t\n"], "is s3cr3t.", "is ***."],
    ["the longer of two that begin alike", ["abcd", "abcdef"], "abcdef", "***"],
    ["a short one where it stands alone", ["ab"], "ab cab ab:", "*** cab ***:"],
    ["with signs of a pattern", ["a.*b("], "xa.*b(y axxb(", "x***y axxb("],
  ])("%s", (_, secrets, text, want) => {
    expect(redactor(secrets)(text)).toBe(want);
  });

  test("nothing is replaced where there is no secret", () => {
    expect(redactor(["", " "])("a text")).toBe("a text");
  });
});
