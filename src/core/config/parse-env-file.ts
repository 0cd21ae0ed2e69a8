/** What a file of settings says, and the lines that say nothing anybody could mean. */
export interface EnvFile {
  readonly values: Readonly<Record<string, string>>
  readonly problems: readonly EnvFileProblem[]
}

export interface EnvFileProblem {
  readonly line: number
  /** The name at the beginning of the line; undefined when there is none. */
  readonly name: string | undefined
  /** Without the value, which may be a secret. */
  readonly problem: string
}

const assignment = /^\s*(?:export\s+)?([A-Za-z_][\w.]*)[ \t]*=[ \t]*/

/**
 * Reads `NAME=value` lines: values bare or in quotes, which may go over several lines; comments.
 * Nothing in a value is expanded, but `\n` in double quotes. Node's own parser cuts a bare value at
 * any #, so that half of a password would be taken for the whole: here, as in a shell, a comment begins
 * after a blank.
 */
export function parseEnvFile(content: string): EnvFile {
  const values: Record<string, string> = {}
  const problems: EnvFileProblem[] = []
  // Editors of Windows begin a file with a mark; the first name would be another one with it.
  const lines = content.replace(/^\uFEFF/, '').split(/\r?\n/)
  for (let index = 0; index < lines.length; index += 1) {
    const text = lines[index] ?? ''
    if (/^\s*(#|$)/.test(text)) continue
    const report = (problem: string, name?: string): void => {
      problems.push({ line: index + 1, name, problem })
    }
    const [head, name] = assignment.exec(text) ?? []
    if (head === undefined || name === undefined) {
      report('is not NAME=value')
      continue
    }
    const value = text.slice(head.length)
    const quoted = readQuoted(value, lines.slice(index + 1))
    if (quoted === undefined) {
      values[name] = bareValue(value)
      if (/^["'`]/.test(value)) report('begins with a quote that never ends', name)
      continue
    }
    values[name] = quoted.value
    if (!/^\s*(#.*)?$/.test(quoted.after)) report('goes on after its closing quote', name)
    index += quoted.moreLines
  }
  return { values, problems }
}

/** A # at the very beginning of a value is a comment too, unless text follows it at once. */
const bareValue = (text: string): string =>
  text
    .replace(/^#(\s.*)?$/, '')
    .replace(/\s#.*$/, '')
    .trim()

interface Quoted {
  readonly value: string
  readonly after: string
  readonly moreLines: number
}

/** Undefined when it is not in quotes, or they never end. */
function readQuoted(text: string, following: readonly string[]): Quoted | undefined {
  const quote = text.charAt(0)
  if (!/["'`]/.test(quote)) return undefined
  const parts = [text.slice(1)]
  for (let moreLines = 0; moreLines <= following.length; moreLines += 1) {
    const last = parts.at(-1) ?? ''
    const end = last.indexOf(quote)
    if (end < 0) {
      parts.push(following[moreLines] ?? '')
      continue
    }
    const raw = [...parts.slice(0, -1), last.slice(0, end)].join('\n')
    const value = quote === '"' ? raw.replaceAll('\\n', '\n') : raw
    return { value, after: last.slice(end + 1), moreLines }
  }
  return undefined
}
