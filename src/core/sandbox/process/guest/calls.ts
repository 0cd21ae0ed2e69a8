import type { Encode } from './encode.ts'
import type { Errors } from './errors.ts'
import type { Primordials } from './primordials.ts'

/** The one way out: numbers and texts only. */
export type Post = (kind: number, id: number, name: string, text: string) => void

/** Calls to the executor: at most a few at a time, the rest wait here in their order. */
export function makeCalls(
  p: Primordials,
  post: Post,
  encode: Encode,
  errors: Errors,
  limits: { readonly postCall: number; readonly maxInFlight: number; readonly maxChars: number },
) {
  interface Entry {
    readonly operation: string
    readonly text: string
    readonly resolve: (value: unknown) => void
    readonly reject: (error: unknown) => void
    readonly error: Error
  }
  const entries = new p.Map<number, Entry>()
  let lastId = 0
  let lastSentId = 0
  let inFlight = 0
  const sendWaiting = (): void => {
    while (inFlight < limits.maxInFlight && lastSentId < lastId) {
      lastSentId += 1
      const entry = p.mapGet(entries, lastSentId)
      if (!entry) continue
      inFlight += 1
      post(limits.postCall, lastSentId, entry.operation, entry.text)
    }
  }
  const encodeArguments = (operation: string, args: object): string => {
    try {
      return encode(args, 'ctx.' + operation, limits.maxChars)
    } catch (thrown) {
      // Not the result: an error of the line that called.
      const { message } = errors.describe(thrown)
      throw new p.TypeError(message)
    }
  }
  return {
    call(operation: string, args: object): Promise<unknown> {
      // Made now, while the script's own line is on the stack.
      const error = new p.Error('')
      return new p.Promise((resolve, reject) => {
        const text = encodeArguments(operation, args)
        lastId += 1
        p.mapSet(entries, lastId, { operation, text, resolve, reject, error })
        sendWaiting()
      })
    },
    /** A reply: JSON text of the value, or of `{ code, message }`. */
    deliver(id: number, isReply: boolean, text: string): void {
      const entry = p.mapGet(entries, id)
      if (!entry) return
      p.mapDelete(entries, id)
      inFlight -= 1
      sendWaiting()
      const value = p.parse(text)
      if (isReply) {
        entry.resolve(value)
      } else {
        const { code, message } = value as { code: string; message: string }
        entry.reject(errors.fill(entry.error, message, code))
      }
    },
  }
}

export type Call = ReturnType<typeof makeCalls>['call']
