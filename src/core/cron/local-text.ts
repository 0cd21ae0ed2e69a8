import type { Occurrence } from './next-occurrence.ts'

/** RFC 3339 with the zone's offset: `2026-03-08T03:00:00-04:00`. */
export function localText({ localMs, offsetMs }: Pick<Occurrence, 'localMs' | 'offsetMs'>): string {
  return `${wallClock(localMs)}${offsetText(offsetMs)}`
}

/** RFC 3339 UTC, of whole seconds as all occurrences are: `2026-03-08T07:00:00Z`. */
export const utcText = (ms: number): string => `${wallClock(ms)}Z`

/** `2026-03-08T03:00:00`, of a local time counted as if the zone were UTC. */
export const wallClock = (localMs: number): string =>
  new Date(localMs).toISOString().replace(/\.\d+Z$/, '')

/** `02:30`, or `02:30:15` where there are seconds. */
export function timeOfDay(localMs: number): string {
  return wallClock(localMs).slice(11).replace(/:00$/, '')
}

export const weekdayText = (localMs: number): string =>
  ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'][
    new Date(localMs).getUTCDay()
  ] ?? ''

function offsetText(offsetMs: number): string {
  const sign = offsetMs < 0 ? '-' : '+'
  // RFC 3339 has no seconds in an offset; those of the 19th century are cut.
  const minutes = Math.floor(Math.abs(offsetMs) / 60_000)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${sign}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}
