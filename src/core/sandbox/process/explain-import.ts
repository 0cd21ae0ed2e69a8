import type { SandboxError } from '../contract.ts'

const why = 'a script is one module and cannot import: use ctx, or put the code into the script'

/** The error of a static import, with the place of the statement. */
export function importError(source: string, specifier: string): SandboxError {
  const quoted = specifier.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
  const match = new RegExp(`\\b(?:from|import)\\s*(["'])${quoted}\\1`).exec(source)
  const before = match ? source.slice(0, statementStart(source, match.index)) : undefined
  return {
    code: 'definition_error',
    name: 'ImportError',
    message: `import of "${specifier}" is refused: ${why}`,
    line: before === undefined ? null : before.split('\n').length,
    column: before === undefined ? null : before.length - before.lastIndexOf('\n'),
    stack: '',
  }
}

/** `import { a } from 'x'`: the place is that of `import`, not of `from`. */
function statementStart(source: string, index: number): number {
  const starts = [...source.slice(0, index + 6).matchAll(/\b(?:import|export)\b/g)]
  return starts.at(-1)?.index ?? index
}

/**
 * Says of a dynamic import or `require` what it is; other errors stay as they are. The engine knows
 * neither the reason nor, for `import()`, the specifier, which then stands in the line itself.
 */
export function explainImport(error: SandboxError, source: string): SandboxError {
  const isDynamic = error.name === 'Error' && error.message === 'Not supported'
  const isRequire = error.name === 'ReferenceError' && error.message === 'require is not defined'
  if (!isDynamic && !isRequire) return error
  const line = error.line === null ? '' : (source.split('\n')[error.line - 1] ?? '')
  const call = line.slice(Math.max(0, (error.column ?? 1) - 1))
  const pattern = isRequire ? /\brequire\s*\(\s*(["'`])(.*?)\1/ : /\bimport\s*\(\s*(["'`])(.*?)\1/
  const specifier = (pattern.exec(call) ?? pattern.exec(line))?.[2]
  const what = `${isRequire ? 'require' : 'import'}(${specifier === undefined ? '…' : `"${specifier}"`})`
  return { ...error, name: 'ImportError', message: `${what} is refused: ${why}` }
}
