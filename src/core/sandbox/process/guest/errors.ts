import type { Primordials } from './primordials.ts'

/** What is told of something thrown; all of it text, all of it cut. */
export interface Described {
  name: string
  message: string
  stack: string
  code: string
}

/**
 * Describes what a script throws, trusting nothing about it: any field may be a getter that throws,
 * or 50 MB long. Error codes are kept beside the objects, out of the script's reach.
 */
export function makeErrors(p: Primordials, maxChars: number) {
  const codes = new p.WeakMap<object, string>()
  const readText = (value: object, field: string): string => {
    try {
      const text = (value as Record<string, unknown>)[field]
      return typeof text === 'string' ? p.slice(text, 0, maxChars) : ''
    } catch {
      return ''
    }
  }
  const show = (value: unknown): string => {
    try {
      if (typeof value === 'object' && value !== null) {
        const json = p.stringify(value, (_key, inner) =>
          typeof inner === 'bigint' ? p.text(inner) : inner,
        )
        if (json !== undefined) return json
      }
      return p.text(value)
    } catch {
      return '[cannot be shown]'
    }
  }
  return {
    __proto__: null,
    readText,
    show,
    mark(error: object, code: string): void {
      p.weakSet(codes, error, code)
    },
    /** Whether this thrown value is one of ours, and has a code. */
    isMarked(thrown: unknown): boolean {
      const isObject = typeof thrown === 'object' && thrown !== null
      return isObject && p.weakGet(codes, thrown) !== undefined
    },
    describe(thrown: unknown): Described {
      // No prototype: a script's Object.prototype.toJSON must not speak for it.
      const described = p.create(null) as unknown as Described
      const isObject =
        (typeof thrown === 'object' && thrown !== null) || typeof thrown === 'function'
      described.name = isObject ? readText(thrown, 'name') : ''
      described.stack = isObject ? readText(thrown, 'stack') : ''
      described.code = isObject ? (p.weakGet(codes, thrown) ?? '') : ''
      described.message = isObject ? readText(thrown, 'message') : ''
      // What is no error is shown as it is.
      if (!described.message && !described.stack)
        described.message = p.slice(show(thrown), 0, maxChars)
      return described
    },
    /** Gives an error made earlier, whose stack is the line that asked, its message and code. */
    fill(error: Error, message: string, code: string): Error {
      const stack = readText(error, 'stack')
      const frames = p.indexOf(stack, '\n')
      p.define(error, 'message', message, false)
      p.define(
        error,
        'stack',
        'Error: ' + message + (frames < 0 ? '' : p.slice(stack, frames)),
        false,
      )
      p.define(error, 'code', code)
      p.weakSet(codes, error, code)
      return error
    },
  }
}

export type Errors = ReturnType<typeof makeErrors>
