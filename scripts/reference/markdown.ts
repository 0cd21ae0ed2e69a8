/** First line of a generated page. */
export const generatedNote = (source: string): string =>
  `<!-- Generated from ${source} by \`npm run generate\`. Do not edit. -->`

/** Text that must not be read as Markdown or HTML. */
export const plain = (text: string): string => text.replaceAll(/[<>*]/g, String.raw`\$&`)

/** A Markdown table; bars and line breaks in cells are escaped. */
export function markdownTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n')
}

/** A page of its parts, with a blank line between them and one line break at the end. */
export const markdownPage = (...parts: readonly string[]): string =>
  `${parts.filter((part) => part !== '').join('\n\n')}\n`
