import { sql } from 'kysely'
import type { Queries } from '../../../database/index.ts'
import { KilnError } from '../../../errors/index.ts'
import { failingAnalyses, listExecutors, sweepLostExecutors } from '../../../jobs/index.ts'
import { formatDuration } from '../../../units/index.ts'
import { type Check, critical, judge, ok, warning } from '../check.ts'

const group = 'queue'

/** One row with one figure. */
const figureOf = <T extends object>(rows: readonly T[], none: T): T => rows[0] ?? none

/** An executor of another machine is only suspected by the first look, and its jobs stay. */
async function takeBackJobs(transaction: Queries): Promise<boolean> {
  const { pending, failed, problems } = await sweepLostExecutors(transaction)
  const rescued = pending + failed
  // What is left is told by the next look.
  if (problems.length > 0 && rescued === 0) throw new KilnError('NOT_DONE', problems.join('; '))
  return rescued > 0
}

export const queueChecks: readonly Check[] = [
  {
    id: 'queue.executors',
    group,
    title: 'somebody runs the jobs that are due',
    needs: 'database',
    look: async ({ ask, context }) => {
      const executors = await listExecutors(context.database.queries, {
        includeStopped: false,
        limit: 1000,
      })
      const alive = executors.filter(({ kind, state }) => kind === 'service' && state === 'alive')
      if (alive.length > 0) {
        return ok(`${alive.length} running: ${alive.map(({ label }) => label).join(', ')}`)
      }
      const { due } = await ask(async (queries) =>
        figureOf(
          (
            await sql<{ due: boolean }>`
              select exists (
                select from analysis_job_queue where run_at <= now()
              ) as due
            `.execute(queries)
          ).rows,
          { due: false },
        ),
      )
      return due
        ? critical('jobs are due, and no service runs', { mend: 'kiln serve-scheduler' })
        : ok('no service runs, and nothing is due')
    },
  },
  {
    id: 'queue.oldest-due',
    group,
    title: 'jobs do not wait long for their turn',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ waited: number | null }>`
          select (extract(epoch from now() - min(run_at)) * 1000)::bigint as waited
          from analysis_job_queue
          where run_at <= now()
        `.execute(queries)
        const waited = rows[0]?.waited ?? 0
        return judge(
          waited,
          { warning: 300_000, critical: 900_000 },
          {
            fact: waited === 0 ? 'none is due' : `the oldest has waited ${formatDuration(waited)}`,
            threshold: '5 m',
            mend: 'start another service: kiln serve-scheduler --no-schedules --no-http',
          },
        )
      }),
  },
  {
    id: 'queue.dead-executors',
    group,
    title: 'no dead executor has jobs in hand',
    needs: 'database',
    look: async ({ context }) => {
      const { queries } = context.database
      const executors = await listExecutors(queries, { includeStopped: false, limit: 1000 })
      const dead = executors.filter(({ state, runningJobs }) => state === 'dead' && runningJobs > 0)
      if (dead.length === 0) return ok('none')
      const names = dead.map(({ label, runningJobs }) => `${label} (${runningJobs} jobs)`)
      return warning(`dead with jobs in hand: ${names.join(', ')}`, {
        mend: 'kiln job list --status running, which takes their jobs back',
        repair: { kind: 'rows', run: takeBackJobs },
      })
    },
  },
  {
    id: 'queue.leases',
    group,
    title: 'every running job has a lease by which it would be found',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ count: number }>`
          select count(*)::integer as count
          from analysis_jobs job
          where job.status = 'running'
            and not exists (
              select
              from analysis_leases lease
              where job.id = any (lease.job_ids)
            )
        `.execute(queries)
        const count = rows[0]?.count ?? 0
        if (count === 0) return ok('all have')
        return critical(`${count} running jobs have none: if their executor dies, nobody notices`, {
          mend: `kiln db psql -- -c 'select kiln_lease_running_jobs()'`,
          repair: {
            kind: 'rows',
            run: async (transaction) => {
              await sql`select kiln_lease_running_jobs()`.execute(transaction)
              return true
            },
          },
        })
      }),
  },
  {
    id: 'queue.overdue',
    group,
    title: 'no job runs longer than it may',
    needs: 'database',
    look: ({ ask, settings }) =>
      ask(async (queries) => {
        // Its executor ends it at the limit; a minute more means that it did not.
        const limitMs = settings.jobTimeoutMs + 60_000
        const { rows } = await sql<{ id: string; ran: number }>`
          select job.id, (extract(epoch from now() - job.started_at) * 1000)::bigint as ran
          from analysis_leases lease
          join analysis_jobs job on job.id = any (lease.job_ids)
          where job.status = 'running'
            and job.started_at < now() - make_interval(secs => ${limitMs / 1000})
          order by job.started_at
        `.execute(queries)
        const first = rows[0]
        const threshold = formatDuration(limitMs)
        if (!first) return ok('none', threshold)
        return critical(`${rows.length} do, job ${first.id} for ${formatDuration(first.ran)}`, {
          threshold,
          mend: `kiln job cancel ${first.id}`,
        })
      }),
  },
  {
    id: 'queue.held',
    group,
    title: 'no job is held and forgotten',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ reason: string; count: number }>`
          select waiting_reason as reason, count(*)::integer as count
          from analysis_jobs
          where not ready
            and waiting_reason is not null
            and run_at < now() - interval '1 day'
          group by waiting_reason
          order by count(*) desc
          limit 3
        `.execute(queries)
        if (rows.length === 0) return ok('none', '1 day')
        const facts = rows.map(({ reason, count }) => `${count} wait: ${reason}`)
        return warning(facts.join('; '), {
          threshold: '1 day',
          mend: 'kiln job list --status pending -o wide',
        })
      }),
  },
  {
    id: 'queue.committing',
    group,
    title: 'no job waits for its project database to tell how it ended',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ id: string; home: string | null }>`
          select job.id, project.home_folder as home
          from analysis_jobs job
          join analyses analysis on analysis.id = job.analysis_id
          join projects project on project.id = analysis.project_id
          where job.committing_at < now() - interval '1 minute'
          order by job.committing_at
        `.execute(queries)
        const first = rows[0]
        if (!first) return ok('none', '1 m')
        return warning(`${rows.length} do; job ${first.id} was writing in ${first.home}`, {
          threshold: '1 m',
          mend: 'start a service with that data folder: kiln serve-scheduler',
        })
      }),
  },
  {
    id: 'queue.failing',
    group,
    title: 'no analysis fails again and again',
    needs: 'database',
    look: async ({ context }) => {
      const { queries } = context.database
      const failing = await failingAnalyses(queries, { days: 7, threshold: 0.2, minRuns: 5 })
      if (failing.length === 0) return ok('none', '20 % of at least 5 jobs in 7 days')
      const names = failing.slice(0, 5).map(({ name }) => name)
      return warning(`failing: ${names.join(', ')}`, {
        threshold: '20 % of at least 5 jobs in 7 days',
        mend: 'kiln analysis failing',
      })
    },
  },
]
