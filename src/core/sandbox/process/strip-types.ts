import module from 'node:module'

/** A syntax error of TypeScript, with its place. */
export class TypeScriptError extends Error {
  readonly line: number | null
  readonly column: number | null

  constructor(message: string, line: number | null, column: number | null) {
    super(message)
    this.line = line
    this.column = column
  }
}

/**
 * Removes the types of a TypeScript source; every other character keeps its place, so that
 * positions in errors are those of the author's text. Runs in the sandbox process, since its parser
 * gets hostile input.
 *
 * @throws TypeScriptError
 */
export function stripTypes(source: string): string {
  try {
    return module.stripTypeScriptTypes(source)
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    const message = error instanceof Error ? error.message : String(error)
    // Node puts `:LINE`, the source line and a caret before the message.
    const [first = '', , caret = ''] = text.split('\n')
    const line = /:(\d+)$/.exec(first.trim())?.[1]
    const column = caret.indexOf('^')
    throw new TypeScriptError(
      message.split('\n')[0] ?? message,
      line === undefined ? null : Number(line),
      column < 0 ? null : column + 1,
    )
  }
}
