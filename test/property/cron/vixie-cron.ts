import type { ZoneOffsets } from '../../../src/core/cron/zone-offsets.ts'

/**
 * The main loop of vixie cron (cron.c), minute by minute over a virtual local clock, each job once
 * per real minute. `matches` decides on a virtual minute, counted as if the zone were UTC. Its zones
 * change by whole minutes. Yields instants in milliseconds.
 */
export function vixieCron(
  matches: (localMs: number) => boolean,
  isWildcard: boolean,
  offsetAt: ZoneOffsets['offsetAt'],
  [fromMs, untilMs]: readonly [number, number],
): number[] {
  const fired: number[] = []
  const local = (at: number): number => at + offsetAt(at)
  let virtual = local(fromMs - minute)
  for (let at = fromMs; at < untilMs; at += minute) {
    const now = local(at)
    const minutes = (now - virtual) / minute
    let isDue: boolean
    // A jump of three hours makes 181 minutes from the last one that was looked at.
    if (minutes <= -180 || minutes > 181 || minutes === 1) {
      virtual = now
      isDue = matches(now)
    } else if (minutes <= 0) {
      isDue = isWildcard && matches(now)
    } else {
      isDue = isWildcard && matches(now)
      while (virtual < now) {
        virtual += minute
        if (!isWildcard && matches(virtual)) isDue = true
      }
    }
    if (isDue) fired.push(at)
  }
  return fired
}

const minute = 60_000
