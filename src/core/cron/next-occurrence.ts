import type { CronRule } from './cron-rule.ts'
import { dayMs } from './days.ts'
import { nextLocalTime } from './next-local-time.ts'
import type { OffsetSpan, ZoneOffsets } from './zone-offsets.ts'

/** One instant that a rule names in a zone. */
export interface Occurrence {
  readonly atMs: number
  /** Local time of the instant, in milliseconds counted as if the zone were UTC. */
  readonly localMs: number
  readonly offsetMs: number
  /** The local time that was meant and does not exist that day; the occurrence is at the gap's end. */
  readonly movedFromMs?: number
  /** The local time happens twice that day. A rule of fixed times fires at the first. */
  readonly pass?: 'first' | 'second'
}

/** cron(8): larger changes are corrections of the clock, and nothing is moved or held back. */
const largestChangeMs = 3 * 3_600_000
/** Zones differ from UTC, and from themselves after a change, by less: Samoa once skipped a day. */
const settledMs = 3 * dayMs

/**
 * The first occurrence after an instant; undefined when there is none in the calendar. The rules of
 * vixie cron where the zone's offset changes, with each occurrence once:
 * - a rule of fixed times fires at the end of a gap that swallows its time, once however many times
 *   are swallowed, and in an overlap on the first pass only;
 * - a rule whose minute or hour begins with `*` fires whenever the clock on the wall shows a time it
 *   names: not for times in a gap, and in both passes of an overlap.
 * It depends on nothing but its arguments: asked inside the second pass, it does not repeat the first.
 */
export function nextOccurrence(
  rule: CronRule,
  zone: ZoneOffsets,
  afterMs: number,
): Occurrence | undefined {
  // Whole seconds: an occurrence is never between two.
  const earliest = Math.floor(afterMs / 1000) * 1000 + 1000
  let span = zone.spanAt(earliest)
  let local: number | undefined
  for (;;) {
    const { startMs, endMs, offsetMs } = span
    const offsetBefore = zone.offsetAt(startMs - 1)
    const change = offsetMs - offsetBefore
    const isMovable = !rule.isWildcard && Math.abs(change) <= largestChangeMs
    if (isMovable && change > 0 && startMs >= earliest) {
      const missed = nextLocalTime(rule, startMs + offsetBefore)
      if (missed !== undefined && missed < startMs + offsetMs) {
        return { atMs: startMs, localMs: startMs + offsetMs, offsetMs, movedFromMs: missed }
      }
    }
    // The second pass of an overlap is not for rules of fixed times.
    const passEndMs = isMovable && change < 0 ? startMs + offsetBefore : -Infinity
    const from = Math.max(Math.max(startMs, earliest) + offsetMs, passEndMs)
    if (local === undefined || local < from || change < 0) local = nextLocalTime(rule, from)
    if (local === undefined) return undefined
    if (local - offsetMs < endMs) return occurrenceAt(local, span, offsetBefore, zone)
    // Where the end of the span was searched, no time is named between it and `local`, nor in an
    // overlap that repeats it: the spans between need no look.
    const isSearched = from + settledMs <= endMs + offsetMs
    span = zone.spanAt(isSearched ? Math.max(endMs, local - settledMs) : endMs)
  }
}

function occurrenceAt(
  localMs: number,
  { startMs, endMs, offsetMs }: OffsetSpan,
  offsetBefore: number,
  zone: ZoneOffsets,
): Occurrence {
  const plain = { atMs: localMs - offsetMs, localMs, offsetMs }
  if (localMs < startMs + offsetBefore) return { ...plain, pass: 'second' }
  return localMs >= endMs + zone.offsetAt(endMs) ? { ...plain, pass: 'first' } : plain
}

/** Occurrences after an instant, in order; ends with the calendar. */
export function* occurrencesAfter(
  rule: CronRule,
  zone: ZoneOffsets,
  afterMs: number,
): Generator<Occurrence, void, undefined> {
  let after = afterMs
  for (;;) {
    const next = nextOccurrence(rule, zone, after)
    if (!next) return
    yield next
    after = next.atMs
  }
}
