import { KilnError } from '../errors/index.ts'
import { dayMs } from './days.ts'

/** A stretch of time in which a zone keeps one offset. Instants in milliseconds. */
export interface OffsetSpan {
  readonly startMs: number
  /** Exclusive. */
  readonly endMs: number
  /** Local time minus UTC. */
  readonly offsetMs: number
}

interface Change {
  readonly atMs: number
  /** In force from then on. */
  readonly offsetMs: number
}

interface ZoneYear {
  /** The offset at the beginning of the year, and each change within it. */
  readonly changes: readonly Change[]
}

/**
 * Offsets of one time zone, from the zone data of the runtime. It finds the changes of a year by
 * looking at each day, since a zone may change four times a year, and remembers them.
 */
export class ZoneOffsets {
  readonly timezone: string
  private readonly format: Intl.DateTimeFormat
  private readonly years = new Map<number, ZoneYear>()

  constructor(timezone: string) {
    this.timezone = timezone
    this.format = new Intl.DateTimeFormat('en-US', {
      timeZone: timezone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  }

  offsetAt(ms: number): number {
    return this.spanAt(ms).offsetMs
  }

  /**
   * The span that holds an instant. One that reaches over the turn of two years may end, or begin,
   * at a turn without a change: never within a year of where that matters.
   */
  spanAt(ms: number): OffsetSpan {
    const year = new Date(ms).getUTCFullYear()
    const { changes } = this.lookThrough(year)
    let index = changes.length - 1
    while (index > 0 && (changes[index]?.atMs ?? 0) > ms) index -= 1
    const { atMs, offsetMs } = changes[index] as Change
    return {
      startMs: index > 0 ? atMs : this.startBefore(year, offsetMs),
      endMs: changes[index + 1]?.atMs ?? this.endAfter(year, offsetMs),
      offsetMs,
    }
  }

  private startBefore(year: number, offsetMs: number): number {
    const last = this.lookThrough(year - 1).changes.at(-1) as Change
    return last.offsetMs === offsetMs ? last.atMs : Date.UTC(year, 0)
  }

  private endAfter(year: number, offsetMs: number): number {
    const [first, second] = this.lookThrough(year + 1).changes as [Change, Change?]
    if (first.offsetMs !== offsetMs) return first.atMs
    return second?.atMs ?? Date.UTC(year + 2, 0)
  }

  private lookThrough(year: number): ZoneYear {
    const known = this.years.get(year)
    if (known) return known
    const start = Date.UTC(year, 0)
    const end = Date.UTC(year + 1, 0)
    let offset = this.measure(start)
    const changes: Change[] = [{ atMs: start, offsetMs: offset }]
    for (let at = start; at < end; at += dayMs) {
      const next = this.measure(Math.min(at + dayMs, end - 1))
      if (next === offset) continue
      changes.push({ atMs: this.changeWithin(at, at + dayMs, offset), offsetMs: next })
      offset = next
    }
    const found = { changes }
    this.years.set(year, found)
    return found
  }

  /** The first instant, to the second, at which the offset is no longer the one given. */
  private changeWithin(from: number, until: number, offset: number): number {
    let [low, high] = [from / 1000, until / 1000]
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (this.measure(middle * 1000) === offset) low = middle
      else high = middle
    }
    return high * 1000
  }

  private measure(ms: number): number {
    const [month, day, year, hour, minute, second] = (
      this.format.format(ms).match(/\d+/g) ?? []
    ).map(Number)
    const local = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second)
    return local - Math.floor(ms / 1000) * 1000
  }
}

/** By name: a zone costs a formatter, and a year of it some hundred looks. */
const zones = new Map<string, ZoneOffsets>()
/** More than there are zones; whoever tries spellings does not fill the memory. */
const maxZones = 1000

/** @throws KilnError TIMEZONE_INVALID. */
export function zoneOffsets(timezone: string): ZoneOffsets {
  const known = zones.get(timezone)
  if (known) return known
  let zone: ZoneOffsets
  try {
    zone = new ZoneOffsets(timezone)
  } catch (error) {
    throw new KilnError('TIMEZONE_INVALID', `there is no time zone ${JSON.stringify(timezone)}`, {
      hint: 'write a name such as Europe/Berlin, or UTC',
      cause: error,
    })
  }
  if (zones.size >= maxZones) zones.clear()
  zones.set(timezone, zone)
  return zone
}
