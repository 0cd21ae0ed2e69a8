import { createContext, runInContext } from 'node:vm'
import { errorCodeOf } from '../errors/index.ts'

/**
 * Patterns come from scripts, which are hostile, and `^(a+)+$` takes years on forty letters. No
 * check of a pattern's text finds all of these, so a match gets 50 ms of CPU time by V8's own
 * interrupt, which backtracking honours. That is 1,000 times what an honest pattern takes. Only
 * texts enter the context, and only a regular expression runs there: none of the script's code.
 */
const matchLimitMs = 50
const longestPattern = 1000

export type MatchOutcome = 'match' | 'no match' | 'too slow'

/** Whether the pattern matches somewhere in the text, within a bounded time. */
export function matchPattern(pattern: string, text: string): MatchOutcome {
  const context = createContext(Object.assign(Object.create(null), { pattern, text }))
  const before = process.threadCpuUsage()
  for (let wallMs = matchLimitMs; ; wallMs *= 2) {
    try {
      const isMatch: unknown = runInContext("new RegExp(pattern, 'u').test(text)", context, {
        timeout: wallMs,
      })
      return isMatch === true ? 'match' : 'no match'
    } catch (error) {
      if (errorCodeOf(error) !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
      // The interrupt knows wall time only: on a busy machine it comes before the match has run.
      const { user, system } = process.threadCpuUsage(before)
      if (user + system >= matchLimitMs * 1000) return 'too slow'
    }
  }
}

/** Why a pattern cannot be used; undefined when it can. */
export function patternProblem(pattern: string): string | undefined {
  if (pattern.length > longestPattern) return `is longer than ${longestPattern} characters`
  try {
    new RegExp(pattern, 'u')
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^.*: /, '') : String(error)
    return `is not a regular expression: ${reason}`
  }
  return slowProbes.some((probe) => matchPattern(pattern, probe) === 'too slow')
    ? 'takes too long to match: repeated groups that can match the same text in many ways'
    : undefined
}

/** Texts on which the usual exponential patterns show themselves when they are declared. */
const slowProbes = ['a', '0', ' ', 'aA0_', '-'].map((piece) => `${piece.repeat(64)}\u0001`)
