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
  limits: {
    readonly postCall: number
    readonly maxInFlight: number
    readonly maxSleeps: number
    readonly maxChars: number
    /** Operations that a script calls by another name; has no prototype. */
    readonly calledNames: Readonly<Record<string, string>>
  },
) {
  interface Entry {
    readonly operation: string
    readonly text: string
    readonly resolve: (value: unknown) => void
    readonly reject: (error: unknown) => void
    readonly error: Error
    readonly lane: Lane
  }
  /** Those that wait in their order, and how many have been sent. */
  interface Lane {
    readonly most: number
    inFlight: number
    readonly ids: Map<number, number>
    first: number
    last: number
  }
  const makeLane = (most: number): Lane & { __proto__: null } => ({
    __proto__: null,
    most,
    inFlight: 0,
    ids: new p.Map<number, number>(),
    first: 1,
    last: 0,
  })
  const entries = new p.Map<number, Entry>()
  const calls = makeLane(limits.maxInFlight)
  // Answered by this process: they cost the executor nothing, and take no place from calls.
  const sleeps = makeLane(limits.maxSleeps)
  let lastId = 0
  const sendWaiting = (lane: Lane): void => {
    while (lane.inFlight < lane.most && lane.first <= lane.last) {
      const id = p.mapGet(lane.ids, lane.first) as number
      p.mapDelete(lane.ids, lane.first)
      lane.first += 1
      lane.inFlight += 1
      const { operation, text } = p.mapGet(entries, id) as Entry
      post(limits.postCall, id, operation, text)
    }
  }
  const encodeArguments = (operation: string, args: object): string => {
    try {
      const called = limits.calledNames[operation] ?? operation
      return encode(args, 'ctx.' + called, limits.maxChars)
    } catch (thrown) {
      // Not the result: an error of the line that called.
      const { message } = errors.describe(thrown)
      throw new p.TypeError(message)
    }
  }
  return {
    __proto__: null,
    call(operation: string, args: object): Promise<unknown> {
      // Made now, while the script's own line is on the stack.
      const error = new p.Error('')
      return new p.Promise((resolve, reject) => {
        const text = encodeArguments(operation, args)
        const lane = operation === 'sleep' ? sleeps : calls
        lastId += 1
        p.mapSet(entries, lastId, { operation, text, resolve, reject, error, lane })
        lane.last += 1
        p.mapSet(lane.ids, lane.last, lastId)
        sendWaiting(lane)
      })
    },
    /** A reply: JSON text of the value, or of `{ code, message }`. */
    deliver(id: number, isReply: boolean, text: string): void {
      const entry = p.mapGet(entries, id)
      if (!entry) return
      p.mapDelete(entries, id)
      entry.lane.inFlight -= 1
      sendWaiting(entry.lane)
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
