/** What stands in docs/errors.md about one code. Markdown; "" where nothing is to be done. */
export type Explanation = readonly [where: string, meaning: string, cure: string];
