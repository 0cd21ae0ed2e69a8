/** What else comes between the steps of a commit: cancels, changes by SQL, executors taken for dead. */
import { describe, expect, it } from 'vitest'
import { insertAnalysis, insertJob } from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'
import { useCommits } from './fixture.ts'

describe('the commit of a project database', () => {
  const commits = useCommits()
  const query = (text: string, values: readonly unknown[] = []) =>
    commits.postgres.pool.query(text, [...values])

  it('comes through when nothing happens', async () => {
    const { round, id } = await commits.standAt('finished')
    commits.tell('go')
    await commits.expectEffects([[round, await commits.statusOf(id)]])
  })

  it.each([
    ['script ended', 1, 'cancelled'],
    // Too late: whether it has completed is being decided in its database.
    ['marked', 0, 'completed'],
    ['committed', 0, 'completed'],
    ['finished', 0, 'completed'],
  ] as const)('meets a cancel after: %s', async (step, changed, status) => {
    const { round, id } = await commits.standAt(step)
    const cancel = await query(
      `update analysis_jobs set status = 'cancelled' where id = $1 and status = 'running'`,
      [id],
    )
    commits.tell('go')
    expect({ changed: cancel.rowCount, status: await commits.statusOf(id) }).toEqual({
      changed,
      status,
    })
    await commits.expectEffects([[round, status]])
  })

  it.each(['pending', 'failed'])('meets a job that is set to %s too late', async (status) => {
    const { round, id } = await commits.standAt('committed')
    await query('update analysis_jobs set status = $2 where id = $1', [id, status])
    commits.tell('go')
    expect(await commits.statusOf(id)).toBe('completed')
    await commits.expectEffects([[round, 'completed']])
  })

  it.each(['marked', 'committed'])(
    'meets an executor that was taken for dead after: %s',
    async (step) => {
      const { round, id } = await commits.standAt(step)
      const frozen = commits.executor
      frozen?.child.kill('SIGSTOP')
      await query('update analysis_executors set stopped_at = now()')
      const other = await commits.startExecutor()
      const next = await insertJob(commits.postgres.pool, commits.analysisId, {
        parameters: { round: -round },
      })
      commits.tell('go')
      frozen?.child.kill('SIGCONT')
      await commits.expectEffects([[round, await commits.statusOf(id)]])
      await commits.expectEffects([[-round, await commits.statusOf(next)]])
      await commits.end(frozen)
      commits.executor = other
    },
  )

  it('does not come to a query that is cancelled while it is under way', async () => {
    commits.executor ??= await commits.startExecutor()
    const slow = await insertAnalysis(
      commits.postgres.pool,
      `export default { database: 'write', async run(ctx) {
        await ctx.duckdb.exec('insert into effects values (-1)')
        await ctx.progress(0.5)
        await ctx.duckdb.query('select sum(a.range * b.range) from range(1000000) a, range(1000000) b')
      } }`,
      { title: 'slow' },
    )
    const id = await insertJob(commits.postgres.pool, slow)
    await waitUntil('it has begun', async () => {
      const { rows } = await query(
        'select from analysis_jobs where id = $1 and progress is not null',
        [id],
      )
      return rows.length > 0
    })
    await query(`update analysis_jobs set status = 'cancelled' where id = $1`, [id])
    await waitUntil('its process is gone', async () => {
      const found = await commits.effects()
      return found.size >= 0 && !found.has(-1)
    })
    expect(await commits.statusOf(id)).toBe('cancelled')
  })
})
