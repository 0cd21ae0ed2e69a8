import {
  type HostCallFailure,
  type Inspection,
  type LogLevel,
  type LogLine,
  type SandboxError,
  hostOperations,
} from './contract.ts'

/**
 * Checks of what a sandbox sends. Each takes text, copies known fields of the expected type into a
 * new object and throws `BrokenFrameError` for everything else: nothing is merged, so keys such as
 * `__proto__` are only data.
 */
export class BrokenFrameError extends Error {}

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
/** Longest line of the log; the isolate cuts at 8,192 characters and adds a sign. */
const maxLineChars = 8200
/** Longest text of an error, as the isolate cuts it. */
const maxErrorChars = 8200
const maxProgressChars = 1000

/** Error codes a sandbox may state of its own; others must have come from a host call. */
const ownCodes = new Set([
  'script_error',
  'definition_error',
  'dependency_error',
  'timeout',
  'memory_limit',
  'result_too_large',
  'result_not_serializable',
])

export interface CheckedCall {
  readonly operation: (typeof hostOperations)[number]
  readonly argumentsText: string
}

export function checkCall(text: string): CheckedCall {
  const end = text.indexOf('\n')
  const name = text.slice(0, end)
  const operation = hostOperations.find((known) => known === name)
  if (!operation) throw new BrokenFrameError('a call of an unknown operation')
  return { operation, argumentsText: text.slice(end + 1) }
}

export function checkLog(text: string): LogLine[] {
  const lines = parse(text)
  if (!Array.isArray(lines)) throw new BrokenFrameError('log lines that are no list')
  return lines.map((line: unknown) => {
    const [rank, message] = Array.isArray(line) ? (line as unknown[]) : []
    const level = levels[Number(rank)]
    if (level === undefined || typeof message !== 'string') {
      throw new BrokenFrameError('a log line of another shape')
    }
    return { level, message: storable(message, maxLineChars) }
  })
}

export function checkProgress(text: string): [fraction: number, message: string | null] {
  const value = parse(text)
  const [fraction, message] = Array.isArray(value) ? (value as unknown[]) : []
  if (typeof fraction !== 'number' || !(fraction >= 0 && fraction <= 1)) {
    throw new BrokenFrameError('progress that is no fraction')
  }
  return [fraction, typeof message === 'string' ? storable(message, maxProgressChars) : null]
}

/** @param hostCodes codes of host calls that failed in this job. */
export function checkFailure(text: string, hostCodes: ReadonlySet<string>): SandboxError {
  const value = parse(text) as Record<string, unknown> | null
  if (typeof value !== 'object' || value === null)
    throw new BrokenFrameError('no error in a failure')
  const string = (field: string, most: number): string =>
    typeof value[field] === 'string' ? storable(value[field], most) : ''
  const code = string('code', 100)
  return {
    code: ownCodes.has(code) || hostCodes.has(code) ? code : 'script_error',
    name: string('name', 200),
    message: string('message', maxErrorChars),
    line: place(value['line']),
    column: place(value['column']),
    stack: string('stack', maxErrorChars),
  }
}

export function checkInspection(text: string): Inspection {
  const value = parse(text) as Record<string, unknown> | null
  const { form, language, declared } = value ?? {}
  if (
    (form !== 'object' && form !== 'function') ||
    (language !== 'javascript' && language !== 'typescript') ||
    typeof declared !== 'object' ||
    declared === null ||
    Array.isArray(declared)
  ) {
    throw new BrokenFrameError('an inspection of another shape')
  }
  return { form, language, declared: declared as Record<string, unknown> }
}

/** A result is passed on as text, so it has to be JSON and within the limit. */
export function checkResult(text: string, maxBytes: number): void {
  if (Buffer.byteLength(text) > maxBytes) throw new BrokenFrameError('a result beyond the limit')
  parse(text)
}

/** What a host call rejected with, as the script may see it. */
export function toHostCallFailure(error: unknown): HostCallFailure {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  return {
    code: typeof code === 'string' && code !== '' ? code : 'host_error',
    message: typeof message === 'string' ? message : 'the call failed',
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new BrokenFrameError('text that is not JSON')
  }
}

const place = (value: unknown): number | null =>
  Number.isSafeInteger(value) && Number(value) > 0 ? Number(value) : null

/** Postgres stores no NUL in text. */
const storable = (text: string, most: number): string =>
  text.slice(0, most).replaceAll('\0', '\u2400')
