import type { StatusWriter } from "../../kube/apply.ts";
import { READINESS } from "../readiness.ts";

export const repositoryWriter: StatusWriter = {
  manager: "holdfast-repository",
  fields: ["observedGeneration", "initializer", "display"],
  conditions: READINESS,
};

/** What the initializer's agent found, written by the replica with its socket. */
export const repositoryTaskWriter: StatusWriter = {
  manager: "holdfast-repository-task",
  fields: ["repositoryID", "lastOpen"],
  conditions: [],
};
