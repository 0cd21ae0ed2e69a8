/** A shell block of a page that a reader may paste. */
export interface ShellBlock {
  /** Line of the page on which the block's first command stands, 1-based. */
  readonly line: number
  readonly script: string
  /** A program that it takes, and that not every machine has. */
  readonly needs?: string
  /** What it prints when it is to be stopped; it would go on for ever. */
  readonly until?: string
}

/**
 * The blocks of a page marked `sh`, in order. Blocks that a test cannot run are marked `text`, or
 * have `<!-- not run: reason -->` on the line above. `<!-- run where there is: program -->` and
 * `<!-- run until: text that it prints -->` are for others.
 */
export function shellBlocks(markdown: string): ShellBlock[] {
  const lines = markdown.split('\n')
  return lines.flatMap((text, index) => {
    if (text !== '```sh' || /^<!-- not run: .+ -->$/.test(lines[index - 1] ?? '')) return []
    const end = lines.indexOf('```', index)
    if (end < 0) throw new Error(`line ${index + 1}: the block has no end`)
    const mark = lines[index - 1] ?? ''
    const needs = /^<!-- run where there is: (\S+) -->$/.exec(mark)?.[1]
    const until = /^<!-- run until: (.+) -->$/.exec(mark)?.[1]
    const script = lines.slice(index + 1, end).join('\n')
    return [{ line: index + 2, script, ...(needs && { needs }), ...(until && { until }) }]
  })
}
