import { type OccurrencePreview, previewOccurrences } from '../cron/index.ts'
import { KilnError } from '../errors/index.ts'
import type { Schedule } from './schedule.ts'

/**
 * The next occurrences of a schedule as they stand in its row, for show; none when it is off, not
 * computed yet, or its rule cannot be followed.
 */
export function nextOccurrencesOf(schedule: Schedule, count: number): OccurrencePreview[] {
  const { enabled, nextRunAt, cronExpression, timezone } = schedule
  if (!enabled || nextRunAt === null) return []
  const afterMs = Date.parse(nextRunAt) - 1
  // Infinity: somebody means that it shall not fire.
  if (!Number.isFinite(afterMs)) return []
  try {
    return previewOccurrences({ cron: cronExpression, timezone, afterMs, count })
  } catch (error) {
    // The row's rule_error says why.
    if (error instanceof KilnError) return []
    throw error
  }
}
