import type ivm from 'isolated-vm'
import type { SandboxError, Script } from '../contract.ts'
import { scriptError } from './script-error.ts'
import { TypeScriptError, stripTypes } from './strip-types.ts'

export interface CompiledScript {
  readonly module: ivm.Module
  readonly language: 'javascript' | 'typescript'
}

/** A script that does not compile. */
export class CompileError extends Error {
  readonly error: SandboxError
  constructor(error: SandboxError) {
    super(error.message)
    this.error = error
  }
}

/**
 * Compiles a script; of an unknown language as JavaScript, and if that fails as TypeScript.
 *
 * @throws CompileError
 */
export function compileScript(isolate: ivm.Isolate, script: Script): CompiledScript {
  if (script.language === 'javascript') return compileJavaScript(isolate, script)
  if (script.language === 'typescript') return compileTypeScript(isolate, script)
  try {
    return compileJavaScript(isolate, script)
  } catch (javaScript) {
    try {
      return compileTypeScript(isolate, script)
    } catch (typeScript) {
      throw further(javaScript, typeScript)
    }
  }
}

/** The parser that came further understood more of the script. */
function further(javaScript: unknown, typeScript: unknown): unknown {
  const lineOf = (thrown: unknown) =>
    thrown instanceof CompileError ? (thrown.error.line ?? 0) : 0
  return lineOf(typeScript) > lineOf(javaScript) ? typeScript : javaScript
}

function compileJavaScript(isolate: ivm.Isolate, { source, filename }: Script): CompiledScript {
  try {
    return { module: isolate.compileModuleSync(source, { filename }), language: 'javascript' }
  } catch (thrown) {
    throw new CompileError(scriptError('definition_error', thrown as Error, filename))
  }
}

function compileTypeScript(isolate: ivm.Isolate, script: Script): CompiledScript {
  try {
    const source = stripTypes(script.source)
    return { ...compileJavaScript(isolate, { ...script, source }), language: 'typescript' }
  } catch (thrown) {
    if (!(thrown instanceof TypeScriptError)) throw thrown
    const { name, message, line, column } = thrown
    throw new CompileError({ code: 'definition_error', name, message, line, column, stack: '' })
  }
}
