import { expect } from 'vitest'
import type { TestContext } from '../../support/core-context.ts'
import { queueDifferences } from '../../support/queue.ts'

export interface Row {
  readonly id: string
  readonly status: string
  readonly attempt: number
  readonly lost_count: number
  readonly max_lost: number
  readonly handed_back_count: number
  readonly executor_id: string | null
  readonly lease_token: string | null
  readonly outcomes: readonly string[]
}

export async function allRows(test: TestContext): Promise<Row[]> {
  const { rows } = await test.context.database.pool.query<Row>(
    `select id, status, attempt, lost_count, max_lost, handed_back_count, executor_id, lease_token,
       array(select outcome from analysis_job_attempts where job_id = id order by number) as outcomes
     from analysis_jobs`,
  )
  return rows
}

export const isFinal = ({ status }: Pick<Row, 'status'>): boolean =>
  ['completed', 'failed', 'cancelled'].includes(status)

/** What holds whenever no statement is under way. */
export class Checks {
  private readonly test: TestContext
  private readonly finals = new Map<string, Row>()

  constructor(test: TestContext) {
    this.test = test
  }

  async run(jobCount: number): Promise<void> {
    const rows = await allRows(this.test)
    expect(rows).toHaveLength(jobCount)
    expect(await queueDifferences(this.test.context)).toEqual([])
    for (const row of rows) this.checkRow(row)
    await this.checkCounters(rows)
  }

  private checkRow(row: Row): void {
    const ended = row.outcomes.length
    const count = (outcome: string) => row.outcomes.filter((name) => name === outcome).length
    expect(row.lost_count).toBeLessThanOrEqual(row.max_lost + 1)
    expect(count('lost')).toBe(row.lost_count)
    expect(count('handed_back')).toBe(row.handed_back_count)
    expect(row.attempt).toBe(row.status === 'running' ? ended + 1 : ended)
    // Only a job that has ended has an end, and that is its last attempt's.
    const ends = count('completed') + count('cancelled')
    expect(ends).toBeLessThanOrEqual(1)
    if (ends === 1) expect(row.outcomes.at(-1)).toBe(row.status)
    if (row.status === 'running') expect(row.lease_token).not.toBe(null)
    if (row.status === 'pending') expect([row.lease_token, row.executor_id]).toEqual([null, null])
    if (!isFinal(row)) return
    const first = this.finals.get(row.id) ?? row
    this.finals.set(row.id, first)
    expect(row).toEqual(first)
  }

  private async checkCounters(rows: readonly Row[]): Promise<void> {
    const { rows: counters } = await this.test.context.database.pool.query<{
      name: string
      value: number
    }>('select name, sum(value) as value from analysis_counters group by name')
    const counted = (name: string) => counters.find((row) => row.name === name)?.value ?? 0
    const sum = (of: (row: Row) => number) => rows.reduce((total, row) => total + of(row), 0)
    for (const status of ['completed', 'failed', 'cancelled']) {
      expect(counted(`jobs_${status}`)).toBe(rows.filter((row) => row.status === status).length)
    }
    expect(counted('jobs_lost')).toBe(sum((row) => row.lost_count))
    // The last failure of a job that has failed by itself is its end.
    const retried = (row: Row) =>
      row.outcomes.filter((name) => name === 'failed').length -
      (row.status === 'failed' && row.outcomes.at(-1) === 'failed' ? 1 : 0)
    expect(counted('jobs_retried')).toBe(sum(retried))
  }
}
