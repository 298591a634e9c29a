import { defineConfig } from "vitest/config";

const integration = ["test/**/*.test.ts", "**/*.integration.test.ts"];
const never = ["**/node_modules/**", "dist/**"];

export default defineConfig({
  test: {
    // The integration tests share one control plane and start real programs; more at once makes them slow, not fast.
    maxWorkers: 2,
    projects: [
      { test: { name: "unit", include: ["**/*.test.ts"], exclude: [...never, ...integration], testTimeout: 30_000 } },
      {
        test: {
          name: "integration",
          include: integration,
          exclude: never,
          globalSetup: "test/cluster-setup.ts",
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
