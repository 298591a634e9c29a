/** The protocol's version: raised only when a change breaks an older peer. New optional fields and frames do not. */
export const PROTOCOL_VERSION = 1;
/** The oldest version the operator accepts (N-2). */
export const OLDEST_PROTOCOL_VERSION = 1;
/** The release this tree builds. */
export const RELEASE = "0.1.0";
