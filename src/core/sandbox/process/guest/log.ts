import type { Post } from './calls.ts'
import type { Errors } from './errors.ts'
import type { Primordials } from './primordials.ts'

/** `console` and `ctx.log`: each call becomes one line. Past the limits lines are only counted. */
export function makeLog(
  p: Primordials,
  post: Post,
  errors: Errors,
  limits: { readonly postLog: number; readonly lineChars: number; readonly bridge: string },
) {
  let linesLeft = 0
  let charsLeft = 0
  /** Frames of the bridge tell the author of a script nothing. */
  const ownFrames = (stack: string): string => {
    let own = ''
    for (let rest = stack; rest !== '';) {
      const end = p.indexOf(rest, '\n')
      const line = end < 0 ? rest : p.slice(rest, 0, end)
      rest = end < 0 ? '' : p.slice(rest, end + 1)
      if (p.indexOf(line, '    at ') !== 0 || p.indexOf(line, limits.bridge) < 0) {
        own += (own === '' ? '' : '\n') + line
      }
    }
    return own
  }
  const show = (value: unknown): string => {
    if (typeof value === 'string') return value
    if (typeof value === 'object' && value !== null && value instanceof p.Error) {
      return ownFrames(errors.readText(value, 'stack')) || errors.readText(value, 'message')
    }
    return errors.show(value)
  }
  const logger =
    (level: number) =>
    (...values: unknown[]): void => {
      if (linesLeft < 1 || charsLeft < 1) {
        post(limits.postLog, level, 'dropped', '')
        return
      }
      let line = ''
      for (let i = 0; i < values.length && line.length <= limits.lineChars; i += 1) {
        line += (i > 0 ? ' ' : '') + show(values[i])
      }
      if (line.length > limits.lineChars) line = p.slice(line, 0, limits.lineChars) + '…'
      linesLeft -= 1
      charsLeft -= line.length
      post(limits.postLog, level, '', line)
    }
  const debug = logger(0)
  const info = logger(1)
  const warn = logger(2)
  const error = logger(3)
  const makeContextLog = (): object => {
    const log = (...values: unknown[]): void => p.apply(info, undefined, values)
    p.define(log, 'debug', debug)
    p.define(log, 'info', info)
    p.define(log, 'warn', warn)
    p.define(log, 'error', error)
    return p.freeze(log)
  }
  let contextLog: object | undefined
  const console = { __proto__: null, debug, trace: debug, log: info, info, warn, error }
  return {
    __proto__: null,
    debug,
    info,
    warn,
    error,
    console: p.freeze(console),
    /** `ctx.log`. */
    contextLog: () => (contextLog ??= makeContextLog()),
    /** What the job may log. */
    limit(lines: number, chars: number): void {
      linesLeft = lines
      charsLeft = chars
    },
  }
}

export type Log = ReturnType<typeof makeLog>
