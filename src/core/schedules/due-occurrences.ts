import { type CronRule, nextOccurrence, type zoneOffsets } from '../cron/index.ts'

type ZoneOffsets = ReturnType<typeof zoneOffsets>

/** What a rule named since the instant that was due first. */
export interface DueOccurrences {
  /** Instants in milliseconds, ascending; at least one. Of very many only the last ones. */
  readonly instants: readonly number[]
  /** How many there are, of which `instants` may be the end. */
  readonly count: number
  /** The first occurrence after now; undefined at the end of the calendar. */
  readonly next: number | undefined
}

/** A rule of every second names so many in three hours. Counting more would hold up the others. */
const mostCounted = 10_000
/** More than any policy fires at once. */
const mostKept = 1000

/**
 * Occurrences from one that is due up to now. The first is taken as it is: it was computed when the
 * one before it was decided on, or set by hand.
 */
export function dueOccurrences(
  rule: CronRule,
  zone: ZoneOffsets,
  firstMs: number,
  nowMs: number,
): DueOccurrences {
  const instants = [firstMs]
  let next = nextOccurrence(rule, zone, firstMs)?.atMs
  while (next !== undefined && next <= nowMs) {
    instants.push(next)
    if (instants.length >= mostCounted) return latest(rule, zone, nowMs, instants)
    next = nextOccurrence(rule, zone, next)?.atMs
  }
  return { instants: instants.slice(-mostKept), count: instants.length, next }
}

/** The end of a row that is too long to be walked. */
function latest(
  rule: CronRule,
  zone: ZoneOffsets,
  nowMs: number,
  counted: readonly number[],
): DueOccurrences {
  const instants: number[] = []
  let reachMs = 60_000
  let next: number | undefined
  while (instants.length === 0) {
    next = nextOccurrence(rule, zone, nowMs - reachMs)?.atMs
    while (next !== undefined && next <= nowMs) {
      instants.push(next)
      next = nextOccurrence(rule, zone, next)?.atMs
    }
    reachMs *= 4
  }
  const last = counted.at(-1) ?? 0
  const further = instants.filter((instant) => instant > last)
  return {
    instants: [...counted, ...further].slice(-mostKept),
    count: counted.length + further.length,
    next,
  }
}
