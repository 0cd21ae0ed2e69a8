// As in channel.ts.
const { stripTypeScriptTypes } = process.getBuiltinModule('node:module')

/** A syntax error of TypeScript, with its place. */
export class TypeScriptError extends Error {
  override readonly name = 'SyntaxError'
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
    return stripTypeScriptTypes(source)
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error))
    throw typeScriptError(message, stack ?? '')
  }
}

/** Node puts `:LINE`, some lines of the source and a row of carets before the stack. */
export function typeScriptError(message: string, stack: string): TypeScriptError {
  const [first = '', ...rest] = stack.split('\n')
  const carets = rest.find((text) => /^\s*\^+\s*$/.test(text)) ?? ''
  const line = /^[^\n]*:(\d+)$/.exec(first)?.[1]
  const column = carets.indexOf('^')
  return new TypeScriptError(
    message.split('\n')[0] ?? message,
    line === undefined ? null : Number(line),
    line === undefined || column < 0 ? null : column + 1,
  )
}
