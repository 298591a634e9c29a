/** How a program of Holdfast ends. */
export const ExitCode = {
  /** Done, or stopped as asked. */
  ok: 0,
  failed: 1,
  /** It was called with arguments it does not know. */
  usage: 2,
} as const;
