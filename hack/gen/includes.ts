const BLOCK = /^<!-- include (\S+) -->\n```(\w*)\n[\s\S]*?^```$/gm;

/**
 * `markdown` with the content of each code block below a line `<!-- include path -->` taken from that file, so that what a
 * page shows is what the tests and the demo apply. `read` gets the path as written.
 */
export function fillIncludes(markdown: string, read: (path: string) => string): string {
  return markdown.replace(
    BLOCK,
    (_, path: string, language: string) =>
      `<!-- include ${path} -->\n\`\`\`${language}\n${read(path).trimEnd()}\n\`\`\``,
  );
}
