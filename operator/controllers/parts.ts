import type { ControllerOptions } from "../kube/controller.ts";

/** What every controller is made of, beside what it is for. */
export type ControllerParts = Omit<ControllerOptions, "name" | "watches" | "reconcile" | "workers" | "deadlineMs">;
