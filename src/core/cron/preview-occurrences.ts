import { localText, timeOfDay, utcText, weekdayText } from './local-text.ts'
import { type Occurrence, occurrencesAfter } from './next-occurrence.ts'
import { parseRule } from './parse-rule.ts'
import { zoneOffsets } from './zone-offsets.ts'

export interface PreviewRequest {
  readonly cron: string
  readonly timezone: string
  /** Occurrences after this instant, in milliseconds. */
  readonly afterMs: number
  readonly count: number
}

/** An occurrence as people read it. */
export interface OccurrencePreview {
  /** RFC 3339 UTC. */
  readonly utc: string
  /** RFC 3339 with the zone's offset. */
  readonly local: string
  readonly weekday: string
  /** The time that was meant does not exist that day. */
  readonly isMoved: boolean
  /** The local time happens twice that day. */
  readonly isDoubled: boolean
  /** Why it is marked, else null. */
  readonly note: string | null
}

/**
 * The next occurrences of a rule in a zone, as the scheduler will fire them. Needs no database.
 *
 * @throws KilnError CRON_INVALID, TIMEZONE_INVALID.
 */
export function previewOccurrences(request: PreviewRequest): OccurrencePreview[] {
  const rule = parseRule(request.cron)
  const zone = zoneOffsets(request.timezone)
  return occurrencesAfter(rule, zone, request.afterMs)
    .take(request.count)
    .map((occurrence) => ({
      utc: utcText(occurrence.atMs),
      local: localText(occurrence),
      weekday: weekdayText(occurrence.localMs),
      isMoved: occurrence.movedFromMs !== undefined,
      isDoubled: occurrence.pass !== undefined,
      note: noteOf(occurrence, rule.isWildcard),
    }))
    .toArray()
}

function noteOf({ movedFromMs, pass }: Occurrence, isWildcard: boolean): string | null {
  if (movedFromMs !== undefined) return `moved: ${timeOfDay(movedFromMs)} does not exist`
  if (pass === undefined) return null
  return `occurs twice: ${pass} pass${isWildcard ? '' : ', the second does not fire'}`
}
