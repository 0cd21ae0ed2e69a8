import { sql } from 'kysely'
import { formatDuration } from '../../../units/index.ts'
import { type Check, critical, ok, warning } from '../check.ts'

const group = 'schedules'

interface Named {
  readonly name: string
  readonly text: string
}

const isAttended = sql`(task.attended_at > now() - interval '3 minutes')`

const listed = (rows: readonly Named[]): string =>
  rows.map(({ name, text }) => `${name} (${text})`).join(', ')

export const scheduleChecks: readonly Check[] = [
  {
    id: 'schedules.late',
    group,
    title: 'due schedules fire',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ count: number; late: number | null }>`
          select count(*)::integer as count,
            -- Without what somebody set to -infinity.
            (extract(epoch from now() - min(next_run_at) filter (where isfinite(next_run_at))) * 1000)
              ::bigint as late
          from analysis_schedules schedule
          left join analysis_tasks task on task.schedule_id = schedule.id
          where enabled
            and next_run_at < now() - interval '60 seconds'
            -- Of the others schedules.attended tells.
            and (task.task is null or ${isAttended})
        `.execute(queries)
        const { count = 0, late = 0 } = rows[0] ?? {}
        if (count === 0) return ok('none is late', '60 s')
        return critical(`${count} are late, the first by ${formatDuration(late ?? 0)}`, {
          threshold: '60 s',
          mend: 'kiln serve-scheduler',
        })
      }),
  },
  {
    id: 'schedules.rules',
    group,
    title: 'every rule can be planned',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<Named>`
          select analysis.name, schedule.rule_error as text
          from analysis_schedules schedule
          join analyses analysis on analysis.id = schedule.analysis_id
          where schedule.enabled
            and schedule.rule_error is not null
          order by schedule.rule_error_at desc
          limit 5
        `.execute(queries)
        const first = rows[0]
        if (!first) return ok('all can')
        return warning(`cannot: ${listed(rows)}`, {
          mend: `kiln schedule set ${first.name} --cron "…"`,
        })
      }),
  },
  {
    id: 'schedules.missed',
    group,
    title: 'no occurrence was missed since yesterday',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ count: number }>`
          select count(*)::integer as count
          from analysis_schedule_occurrences
          where (decision in ('skipped', 'missed') or missed_count > 0)
            and decision <> 'skipped'
            and scheduled_for > now() - interval '1 day'
        `.execute(queries)
        const count = rows[0]?.count ?? 0
        return count === 0
          ? ok('none', '1 in 24 h')
          : warning(`${count} were missed`, {
              threshold: '1 in 24 h',
              mend: 'kiln schedule missed',
            })
      }),
  },
  {
    id: 'schedules.paused',
    group,
    title: 'no schedule was paused because its jobs failed',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<Named>`
          select analysis.name, coalesce(schedule.pause_reason, 'no reason') as text
          from analysis_schedules schedule
          join analyses analysis on analysis.id = schedule.analysis_id
          where not schedule.enabled
            and schedule.pause_after_failures is not null
            and schedule.pause_reason ~* 'fail'
          order by schedule.paused_at desc
          limit 5
        `.execute(queries)
        const first = rows[0]
        if (!first) return ok('none')
        return warning(`paused: ${listed(rows)}`, { mend: `kiln schedule enable ${first.name}` })
      }),
  },
  {
    id: 'schedules.inactive',
    group,
    title: 'no enabled schedule belongs to a disabled analysis',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<Named>`
          select distinct analysis.name, 'disabled' as text
          from analysis_schedules schedule
          join analyses analysis on analysis.id = schedule.analysis_id
          where schedule.enabled
            and not analysis.is_active
          order by analysis.name
          limit 5
        `.execute(queries)
        const first = rows[0]
        if (!first) return ok('none')
        return warning(`their schedules make jobs that cannot run: ${listed(rows)}`, {
          mend: `kiln analysis enable ${first.name}, or kiln schedule disable ${first.name}`,
        })
      }),
  },
  {
    id: 'schedules.tasks',
    group,
    title: 'the last run of each task of Kiln itself succeeded',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<Named>`
          select task.task as name,
            coalesce(left(last_run.error_message, 200), 'without a reason') as text
          from analysis_tasks task
          cross join lateral (
            select status, error_message
            from analysis_task_runs
            where schedule_id = task.schedule_id
              and status in ('completed', 'failed')
            order by created_at desc
            limit 1
          ) last_run
          where last_run.status = 'failed'
          order by task.task
        `.execute(queries)
        const first = rows[0]
        if (!first) return ok('all did that ran')
        return warning(`failed: ${listed(rows)}`, {
          mend: `kiln schedule show system:${first.name}`,
        })
      }),
  },
  {
    id: 'schedules.attended',
    group,
    title: 'a service takes part in each task of Kiln itself',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<Named>`
          select task.task as name,
            'since ' || to_char(task.attended_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'
              as text
          from analysis_tasks task
          join analysis_schedules schedule on schedule.id = task.schedule_id
          where schedule.enabled
            and not coalesce(${isAttended}, false)
          order by task.task
        `.execute(queries)
        const first = rows[0]
        if (!first) return ok('one does')
        return warning(`nobody runs: ${listed(rows)}`, {
          mend: `start kiln serve-scheduler with the setting, or kiln schedule disable system:${first.name}`,
        })
      }),
  },
]
