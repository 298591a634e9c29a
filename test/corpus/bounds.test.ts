import { beforeAll, expect, test } from "vitest";
import { atOnce } from "../../operator/controllers/at-once.ts";
import { testNamespace } from "../namespace.ts";
import { ApiServer } from "./api-server.ts";
import { boundCases } from "./bounds.ts";
import { corpus, readCRDs } from "./corpus.ts";

const server = new ApiServer(testNamespace());
const good = corpus("good").flatMap(({ entries }) => entries.map(({ manifest }) => manifest));

// The status of what does not exist cannot be tried.
beforeAll(() => atOnce(good, (manifest) => server.create(manifest)));

test.each(readCRDs())("every bound of a $kind is kept, and told in the API server's words", async (crd) => {
  const cases = boundCases(crd, good);
  expect(cases.length).toBeGreaterThan(20);
  const wrong: object[] = [];
  await atOnce(cases, async ({ title, manifest, refused }) => {
    const { status: _, ...wanted } = manifest;
    const causes = await (refused.startsWith("status")
      ? server.refusalOfChange(manifest)
      : server.refusal(wanted as typeof manifest));
    if (!causes.includes(refused)) wrong.push({ title, refused, causes });
  });
  expect(wrong).toEqual([]);
});
