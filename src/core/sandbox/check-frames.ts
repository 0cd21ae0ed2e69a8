import type { Inspection, LogLevel, LogLine, SandboxError } from './contract.ts'

/**
 * Checks of what a sandbox sends. It may be taken over by its script, so that nothing here merges
 * objects, trusts a field, or throws.
 */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const operationPattern = /^[a-z]+(\.[a-zA-Z]+)?$/

export function parseCall(text: string): { operation: string; argumentsText: string } | undefined {
  const value = parse(text)
  if (!isObject(value)) return undefined
  const { operation, arguments: argumentsText } = value
  if (typeof operation !== 'string' || !operationPattern.test(operation)) return undefined
  return typeof argumentsText === 'string' ? { operation, argumentsText } : undefined
}

const levels: readonly string[] = ['debug', 'info', 'warn', 'error'] satisfies LogLevel[]

export function parseLogLines(text: string): readonly LogLine[] | undefined {
  const value = parse(text)
  if (!Array.isArray(value)) return undefined
  const lines: LogLine[] = []
  for (const entry of value as unknown[]) {
    const [level, message] = Array.isArray(entry) ? (entry as unknown[]) : []
    if (typeof level !== 'string' || !levels.includes(level) || typeof message !== 'string') {
      return undefined
    }
    lines.push({ level: level as LogLevel, message })
  }
  return lines
}

export function parseProgress(text: string): [number, string | null] | undefined {
  const value = parse(text)
  const [fraction, message] = Array.isArray(value) ? (value as unknown[]) : []
  if (typeof fraction !== 'number' || !(fraction >= 0 && fraction <= 1)) return undefined
  return [fraction, typeof message === 'string' ? message.slice(0, 1000) : null]
}

export function isSandboxError(value: unknown): value is SandboxError {
  if (!isObject(value)) return false
  const { code, name, message, line, column, stack } = value
  const isPosition = (number: unknown) => number === null || Number.isSafeInteger(number)
  return (
    typeof code === 'string' &&
    /^[a-z_]{1,40}$/.test(code) &&
    [name, message, stack].every((text) => typeof text === 'string' && text.length <= 20_000) &&
    isPosition(line) &&
    isPosition(column)
  )
}

export function parseInspection(text: string, isTypeScript: boolean): Inspection | undefined {
  const value = parse(text)
  if (!isObject(value) || !isObject(value.declared)) return undefined
  if (value.form !== 'object' && value.form !== 'function') return undefined
  return {
    form: value.form,
    declared: value.declared,
    language: isTypeScript || value.language === 'typescript' ? 'typescript' : 'javascript',
  }
}
