import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { runRecord } from "#protocol/fixtures.ts";
import { openOutbox } from "./outbox.ts";
import { migrate } from "./schema.ts";

const ended = (uid: string) => runRecord({ uid, name: uid });

test("a refused record that could not be set aside on a full disk is not forgotten with those acknowledged after it", () => {
  using database = new DatabaseSync(":memory:");
  migrate(database);
  const outbox = openOutbox(database);
  outbox.add(ended("refused"));
  outbox.add(ended("written"));
  database.exec("PRAGMA query_only = ON");
  expect(() => outbox.reject(outbox.stream, 1, "invalid", "too long")).toThrow();
  database.exec("PRAGMA query_only = OFF");
  outbox.ack(outbox.stream, 2);
  expect(outbox.pending(0, 10)).toEqual([]);
  expect(database.prepare("SELECT uid, rejected_code FROM outbox").all()).toEqual([
    { uid: "refused", rejected_code: "invalid" },
  ]);
});
