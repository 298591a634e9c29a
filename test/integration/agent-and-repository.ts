import { mkdirSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect } from "vitest";
import type { RepositoryAccess } from "#protocol/config.ts";
import { type RestServer, startRestServer } from "../../hack/rest-server/rest-server.ts";
import { access, config, openAgent, type TestAgent, taskCommand, temporaryFolder } from "./agent-world.ts";

/**
 * Call it at the top of a test file: an agent, something to back up and a rest-server, until its tests are over. The agent
 * has made the repository `main` there.
 */
export function testAgent(options?: () => Promise<Parameters<typeof openAgent>[1]>) {
  const folder = temporaryFolder();
  const source = `${folder.path}/source`;
  let server: RestServer;
  let agent: TestAgent;
  let id: string;
  beforeAll(async () => {
    mkdirSync(source);
    writeFileSync(`${source}/a.txt`, "one");
    server = await startRestServer({ plain: true, directory: `${folder.path}/repositories` });
    agent = await openAgent(folder.path, await options?.());
    id = (await agent.task(taskCommand(access(`${server.url}main/`), true))).repositoryID!;
  });
  afterAll(async () => {
    await agent?.close();
    await server?.stop();
    await folder.remove();
  });
  return {
    folder: folder.path,
    source,
    get agent() {
      return agent;
    },
    /** Of the repository `name`, as in a Repository. */
    url: (name: string) => `${server.url}${name}/`,
    /** Of the repository `main`. */
    get id() {
      return id;
    },
    /** The repository `main`, pinned to its id. */
    pinned: (change: Partial<RepositoryAccess> = {}) => access(`${server.url}main/`, { repositoryID: id, ...change }),
    apply(...args: Parameters<typeof config>) {
      expect(agent.core.applyConfig(config(...args))).toHaveProperty("applied");
    },
  };
}
