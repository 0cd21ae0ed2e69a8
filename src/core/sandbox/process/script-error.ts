import type { SandboxError } from '../contract.ts'

/** Most text of a message or a stack; the isolate cuts at the same length. */
const maxChars = 8192

/** What was thrown, as far as it is text. */
export interface Thrown {
  readonly name?: unknown
  readonly message?: unknown
  readonly stack?: unknown
}

/**
 * Makes the error of a script from what was thrown: the position in the script, and a stack with
 * only the script's own frames.
 */
export function scriptError(code: string, thrown: Thrown, filename: string): SandboxError {
  const message = textOf(thrown.message)
  const frames = framesOf(textOf(thrown.stack), message, filename)
  const place = positionIn(frames[0] ?? '', filename) ?? positionIn(message, filename)
  return {
    code,
    name: textOf(thrown.name).slice(0, 200),
    message: withoutPlace(message, filename).slice(0, maxChars),
    line: place?.line ?? null,
    column: place?.column ?? null,
    stack: frames.join('\n').slice(0, maxChars),
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

function framesOf(stack: string, message: string, filename: string): string[] {
  // A message may look like frames.
  const at = message === '' ? -1 : stack.indexOf(message)
  return stack
    .slice(at < 0 ? 0 : at + message.length)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('at ') && line.includes(`${filename}:`))
}

function positionIn(
  text: string,
  filename: string,
): { readonly line: number; readonly column: number } | undefined {
  const at = text.lastIndexOf(`${filename}:`)
  const match = at < 0 ? null : /^:(\d+):(\d+)/.exec(text.slice(at + filename.length))
  return match ? { line: Number(match[1]), column: Number(match[2]) } : undefined
}

/** isolated-vm appends ` [file:line:column]` to syntax errors; the position has its own fields. */
function withoutPlace(message: string, filename: string): string {
  const at = message.lastIndexOf(` [${filename}:`)
  return at < 0 ? message : message.slice(0, at)
}
