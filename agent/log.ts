/** The part of a pino logger that the agent uses; fields first, then a message that is the same for every occurrence. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
