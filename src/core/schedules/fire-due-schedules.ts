import { setImmediate as nextTurn } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Context } from '../context.ts'
import type { Queries } from '../database/index.ts'
import { cancelFamilies } from '../jobs/index.ts'
import { findActiveRuns, findFailingSchedules } from './active-runs.ts'
import { decide } from './decide.ts'
import { lockDueSchedules } from './due-schedule.ts'
import { pauseSchedule } from './switch-schedule.ts'
import { type JudgedSchedule, queueTaskRuns, writeVerdicts } from './write-verdicts.ts'

export interface FireOptions {
  /** Schedules of one transaction; 500 are fired about as fast as 5000, and hold locks for less. */
  readonly limit?: number
  /** RFC 3339; stands for the database's clock in tests. */
  readonly now?: string | undefined
  /** System schedules that this instance takes part in; none unless told. */
  readonly taskIds?: readonly string[]
}

export interface FiredBatch {
  /** Schedules that were due and taken; as many as the limit: there may be more. */
  readonly schedules: number
  readonly jobs: number
  /** Tasks of Kiln itself that were queued. */
  readonly taskRuns: number
  /** Schedules whose next run cannot be computed. */
  readonly ruleErrors: number
}

const usualLimit = 500
/**
 * After days without a service a rule of every minute takes milliseconds to count what it missed, and
 * a batch of them seconds: the leases of this process must be beaten meanwhile.
 */
const longestBreathMs = 50

/**
 * Fires what is due: decides on each occurrence up to now, makes the jobs and moves the schedules
 * on, in one transaction. Any number of instances may do so at a time. If we die here, nothing has
 * happened, and whoever comes next decides.
 */
export async function fireDueSchedules(
  { database, clock }: Pick<Context, 'database' | 'clock'>,
  { limit = usualLimit, now, taskIds = [] }: FireOptions = {},
): Promise<FiredBatch> {
  return database.queries.transaction().execute(async (transaction) => {
    const due = await lockDueSchedules(transaction, { limit, now: now ?? null, taskIds })
    if (due.length === 0) return { schedules: 0, jobs: 0, taskRuns: 0, ruleErrors: 0 }
    const nowMs = Date.parse(now ?? (await beginFiring(transaction)))
    const overlapping = due.filter(({ overlapPolicy }) => overlapPolicy !== 'allow')
    const pausing = due.filter(({ pauseAfterFailures }) => pauseAfterFailures !== null)
    const active = await findActiveRuns(transaction, ids(overlapping))
    const failing = await findFailingSchedules(transaction, ids(pausing))
    const judged: JudgedSchedule[] = []
    let breatheAt = clock.monotonic() + longestBreathMs
    for (const schedule of due) {
      const verdict = decide(schedule, {
        nowMs,
        active: active.get(schedule.id) ?? { jobIds: [], waiting: 0 },
        isFailing: failing.has(schedule.id),
      })
      judged.push({ schedule, verdict })
      if (clock.monotonic() < breatheAt) continue
      await nextTurn()
      breatheAt = clock.monotonic() + longestBreathMs
    }
    await giveWay(transaction, judged)
    const jobs = await writeVerdicts(transaction, judged)
    const taskRuns = await queueTaskRuns(transaction, judged)
    for (const one of judged) await pause(transaction, one)
    const ruleErrors = judged.filter(({ verdict }) => verdict.ruleError !== null).length
    return { schedules: due.length, jobs, taskRuns, ruleErrors }
  })
}

/**
 * The database's clock. Also keeps the transaction's statements from reading a whole table for their
 * few hundred rows: to the planner that looks cheaper, to a table in memory it is not.
 */
async function beginFiring(transaction: Queries): Promise<string> {
  const { rows } = await sql<{ now: string }>`
    select now() as now, set_config('enable_seqscan', 'off', true)
  `.execute(transaction)
  return rows[0]?.now ?? ''
}

const ids = (schedules: readonly { readonly id: string }[]): string[] =>
  schedules.map(({ id }) => id)

/** All in one statement, which locks them in the order of every other cancel. */
async function giveWay(transaction: Queries, judged: readonly JudgedSchedule[]): Promise<void> {
  const jobIds = judged.flatMap(({ verdict }) => verdict.cancelJobIds)
  if (jobIds.length === 0) return
  await cancelFamilies(transaction, jobIds, 'the next run of its schedule took its place')
}

async function pause(transaction: Queries, { schedule, verdict }: JudgedSchedule): Promise<void> {
  if (verdict.pauseReason === null) return
  const operator = { actor: 'scheduler', source: 'scheduler' } as const
  await pauseSchedule(transaction, operator, schedule.id, verdict.pauseReason)
}
