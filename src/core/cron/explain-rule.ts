import { describeRule } from './describe-rule.ts'
import { type RuleWarning, lintRule } from './lint-rule.ts'
import { parseRule } from './parse-rule.ts'
import { zoneOffsets } from './zone-offsets.ts'

export interface RuleExplanation {
  readonly description: string
  readonly warnings: readonly RuleWarning[]
}

/** What is worth saying of closer occurrences unless the operator set another minimum. */
const defaultMinIntervalMs = 60_000

/**
 * A rule in plain words, and what is worth a second look.
 *
 * @throws KilnError CRON_INVALID, TIMEZONE_INVALID.
 */
export function explainRule(request: {
  readonly cron: string
  readonly timezone: string
  /** Changes of the zone are looked for from this instant on, in milliseconds. */
  readonly fromMs: number
  readonly minIntervalMs?: number
}): RuleExplanation {
  const rule = parseRule(request.cron)
  return {
    description: describeRule(rule),
    warnings: lintRule(rule, zoneOffsets(request.timezone), {
      fromMs: request.fromMs,
      minIntervalMs: request.minIntervalMs ?? defaultMinIntervalMs,
    }),
  }
}
