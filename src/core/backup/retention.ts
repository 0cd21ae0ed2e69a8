import type { BackupPart } from './manifest.ts'

/** Which sets to keep: the union of all rules. */
export interface RetentionRules {
  /** The newest so many. */
  readonly keepLast?: number | undefined
  /** All of the last so many days. */
  readonly keepDays?: number | undefined
  /** The newest of each of the last so many days, weeks, months that have one. */
  readonly daily?: number | undefined
  readonly weekly?: number | undefined
  readonly monthly?: number | undefined
}

export const defaultRetention: RetentionRules = { keepLast: 3, daily: 7, weekly: 4, monthly: 12 }

/** What retention knows of a set. */
export interface RetainedSet {
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  readonly isComplete: boolean
  /** False when a verification found it damaged. */
  readonly isSound: boolean
  /** Sets of one source stand for each other; others do not. */
  readonly source: string
}

export interface RetentionDecision {
  readonly id: string
  readonly isKept: boolean
  readonly reasons: readonly string[]
}

const dayMs = 86_400_000

/**
 * Decides on each set, in the order given. Only complete and sound sets count towards a rule, so that
 * failures never push a good set out, and the newest good one of a source always stays. A set that does
 * not count stays while it is newer than the newest good one: it may be the best there is.
 */
export function decideRetention(
  sets: readonly RetainedSet[],
  rules: RetentionRules,
  now: number,
): readonly RetentionDecision[] {
  const reasons = new Map<string, string[]>()
  const keep = (id: string, reason: string) => reasons.set(id, [...(reasons.get(id) ?? []), reason])
  for (const group of Map.groupBy(sets, ({ source }) => source).values()) {
    const good = group
      .filter(({ isComplete, isSound }) => isComplete && isSound)
      .toSorted((a, b) => b.startedAt - a.startedAt)
    for (const [id, reason] of keptByRules(good, rules, now)) keep(id, reason)
    const [newest] = good
    if (newest) keep(newest.id, 'the newest good one')
    for (const { id, startedAt, isComplete, isSound } of group) {
      if (isComplete && isSound) continue
      const what = isComplete ? 'damaged' : 'partial'
      if (!newest || startedAt > newest.startedAt) keep(id, `${what}, and no good one is newer`)
    }
  }
  return sets.map(({ id, isComplete, isSound }) => {
    const kept = reasons.get(id)
    if (kept) return { id, isKept: true, reasons: kept }
    const reason = !isComplete
      ? 'partial, and a good one is newer'
      : !isSound
        ? 'damaged, and a good one is newer'
        : 'no rule keeps it'
    return { id, isKept: false, reasons: [reason] }
  })
}

/** Pairs of id and reason; `good` is newest first. */
function keptByRules(
  good: readonly RetainedSet[],
  { keepLast = 0, keepDays = 0, daily = 0, weekly = 0, monthly = 0 }: RetentionRules,
  now: number,
): readonly (readonly [string, string])[] {
  const last = good
    .slice(0, keepLast)
    .map(({ id }, index) => [id, `last ${index + 1} of ${keepLast}`] as const)
  const recent = good
    .filter(({ startedAt }) => startedAt > now - keepDays * dayMs)
    .map(({ id }) => [id, `of the last ${keepDays} days`] as const)
  return [
    ...last,
    ...recent,
    ...newestOfEach(good, daily, 'day', (time) => new Date(time).toISOString().slice(0, 10)),
    ...newestOfEach(good, weekly, 'week', weekOf),
    ...newestOfEach(good, monthly, 'month', (time) => new Date(time).toISOString().slice(0, 7)),
  ]
}

function newestOfEach(
  good: readonly RetainedSet[],
  count: number,
  word: string,
  bucketOf: (time: number) => string,
): readonly (readonly [string, string])[] {
  const seen = new Set<string>()
  const kept: (readonly [string, string])[] = []
  for (const { id, startedAt } of good) {
    const bucket = bucketOf(startedAt)
    if (seen.has(bucket)) continue
    if (seen.size === count) break
    seen.add(bucket)
    kept.push([id, `newest of ${word} ${bucket}`])
  }
  return kept
}

/** The Monday, in UTC, of the week. */
function weekOf(time: number): string {
  const day = Math.floor(time / dayMs)
  // The epoch was a Thursday.
  const monday = day - ((((day + 3) % 7) + 7) % 7)
  return new Date(monday * dayMs).toISOString().slice(0, 10)
}

/** What a set stands for: the same parts of the same database. */
export function sourceOf(
  profile: string,
  parts: readonly BackupPart[],
  database: string | undefined,
): string {
  return [profile, parts.toSorted().join('+'), database ?? ''].join(' ')
}
