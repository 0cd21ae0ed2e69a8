import type ivm from 'isolated-vm'
import type { Script } from '../contract.ts'
import { TypeScriptError, stripTypes } from './strip-types.ts'

/** An error of the script's text, with its place. */
class CompileError extends Error {
  readonly code = 'definition_error'

  constructor(message: string, filename: string, line: number | null, column: number | null) {
    super(message)
    this.name = 'SyntaxError'
    this.stack = line === null ? '' : `at ${filename}:${line}:${column ?? 1}`
  }
}

/**
 * Compiles and evaluates a script as one module. Imports are refused. A script of unknown language
 * that is no JavaScript is tried as TypeScript.
 *
 * @throws what the top level of the script throws, and syntax errors with their place.
 */
export function compileScript(
  isolate: ivm.Isolate,
  context: ivm.Context,
  script: Script,
  timeout: number,
): ivm.Module {
  const module = compile(isolate, script)
  module.instantiateSync(context, (specifier) => {
    const line = lineOfImport(script.source, specifier)
    throw new CompileError(
      `import of ${JSON.stringify(specifier)} is refused: a script is one module without imports`,
      script.filename,
      line,
      1,
    )
  })
  try {
    module.evaluateSync({ timeout })
  } catch (error) {
    throw markDefinition(error)
  }
  return module
}

function compile(isolate: ivm.Isolate, script: Script): ivm.Module {
  const { filename } = script
  if (script.language !== 'typescript') {
    try {
      return isolate.compileModuleSync(script.source, { filename })
    } catch (error) {
      if (script.language === 'javascript') throw markDefinition(error)
      const stripped = tryStrip(script.source)
      // Neither language: the author most likely meant JavaScript, and V8's message is the better.
      if (stripped === undefined) throw markDefinition(error)
      return isolate.compileModuleSync(stripped, { filename })
    }
  }
  let source: string
  try {
    source = stripTypes(script.source)
  } catch (error) {
    if (!(error instanceof TypeScriptError)) throw error
    throw new CompileError(error.message, filename, error.line, error.column)
  }
  try {
    return isolate.compileModuleSync(source, { filename })
  } catch (error) {
    throw markDefinition(error)
  }
}

function tryStrip(source: string): string | undefined {
  try {
    return stripTypes(source)
  } catch {
    return undefined
  }
}

/** Whatever happens before `run` is an error of the definition, unless a limit was hit. */
function markDefinition(error: unknown): unknown {
  if (error instanceof Error && !/timed out|disposed/.test(error.message)) {
    if (error.message === 'Not supported')
      error.message = 'import() is refused: a script is one module'
    Object.assign(error, { code: 'definition_error' })
  }
  return error
}

function lineOfImport(source: string, specifier: string): number | null {
  const lines = source.split('\n')
  const index = lines.findIndex(
    (line) => line.includes(`'${specifier}'`) || line.includes(`"${specifier}"`),
  )
  return index < 0 ? null : index + 1
}
