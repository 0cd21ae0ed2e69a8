import type { SandboxError } from '../contract.ts'

/** Most text of a message or a stack. */
const maxChars = 8192

/**
 * Makes the error of a script from what was thrown: the position in the script, and a stack with
 * only the script's own frames.
 */
export function scriptError(
  code: string,
  thrown: { readonly name?: string; readonly message?: string; readonly stack?: string },
  filename: string,
): SandboxError {
  const frames = (thrown.stack ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('at ') && line.includes(`${filename}:`))
  const place = positionIn(frames[0] ?? '', filename) ?? positionIn(thrown.message ?? '', filename)
  return {
    code,
    name: String(thrown.name ?? '').slice(0, 200),
    message: withoutPlace(String(thrown.message ?? ''), filename).slice(0, maxChars),
    line: place?.line ?? null,
    column: place?.column ?? null,
    stack: frames.join('\n').slice(0, maxChars),
  }
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
