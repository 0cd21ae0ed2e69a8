import { isKilnError } from '../errors/index.ts'
import { parseRule } from './parse-rule.ts'

/** What is wrong with a rule, in one sentence; undefined when it can be followed. */
export function ruleProblem(rule: string): string | undefined {
  try {
    parseRule(rule)
    return undefined
  } catch (error) {
    if (isKilnError(error)) return error.message
    throw error
  }
}
