import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { EnrollmentToken } from "#crds/enrollmenttoken.ts";
import type { Host } from "#crds/host.ts";
import type { Repository } from "#crds/repository.ts";
import type { Restore } from "#crds/restore.ts";
import { holdfast } from "../kube/resource.ts";

/** Where Holdfast's own kinds live in the API; their types are generated from crds/. */
export const Hosts = holdfast<Host>("Host", "hosts");
export const EnrollmentTokens = holdfast<EnrollmentToken>("EnrollmentToken", "enrollmenttokens");
export const Repositories = holdfast<Repository>("Repository", "repositories");
export const BackupPolicies = holdfast<BackupPolicy>("BackupPolicy", "backuppolicies");
export const BackupRuns = holdfast<BackupRun>("BackupRun", "backupruns");
export const Restores = holdfast<Restore>("Restore", "restores");

/** Annotations by which people ask for something once; their values are echoed in status or stay until removed. */
export const Annotation = {
  /** On a BackupPolicy: any new value starts a run on every selected host. */
  runRequestedAt: "holdfast.dev/run-requested-at",
  /** On a Repository: the name of the Host that is to open it from now on. */
  initializer: "holdfast.dev/initializer",
} as const;
