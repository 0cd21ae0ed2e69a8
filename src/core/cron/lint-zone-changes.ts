import type { CronRule } from './cron-rule.ts'
import type { RuleWarning } from './lint-rule.ts'
import { timeOfDay, wallClock } from './local-text.ts'
import { nextLocalTime } from './next-local-time.ts'
import type { ZoneOffsets } from './zone-offsets.ts'

const lookAheadMs = 2 * 365.25 * 86_400_000

/**
 * Warns of the first time within two years that the rule names inside a gap, and inside an overlap.
 * A rule of every hour that follows elapsed time loses and repeats nothing.
 */
export function lintZoneChanges(
  rule: CronRule,
  zone: ZoneOffsets,
  fromMs: number,
): readonly RuleWarning[] {
  if (rule.isWildcard && rule.hours.length === 24) return []
  const found = new Map<string, RuleWarning>()
  let { endMs, offsetMs } = zone.spanAt(fromMs)
  while (endMs < fromMs + lookAheadMs) {
    const next = zone.spanAt(endMs)
    const [before, after] = [endMs + offsetMs, endMs + next.offsetMs]
    const time = nextLocalTime(rule, Math.min(before, after))
    if (time !== undefined && time < Math.max(before, after)) {
      const warning = after > before ? gap(rule, time, after) : overlap(rule, time)
      if (!found.has(warning.code)) found.set(warning.code, warning)
    }
    ;({ endMs, offsetMs } = next)
  }
  return [...found.values()]
}

function gap(rule: CronRule, time: number, end: number): RuleWarning {
  const what = rule.isWildcard ? 'it does not fire then' : `it fires at ${timeOfDay(end)} instead`
  return { code: 'gap', message: `${timeOfDay(time)} does not exist on ${dayText(time)}: ${what}` }
}

function overlap(rule: CronRule, time: number): RuleWarning {
  const what = rule.isWildcard ? 'it fires both times' : 'it fires the first time only'
  return { code: 'overlap', message: `${timeOfDay(time)} comes twice on ${dayText(time)}: ${what}` }
}

const dayText = (localMs: number): string => wallClock(localMs).slice(0, 10)
