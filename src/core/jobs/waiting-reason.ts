import { sql } from 'kysely'

/**
 * Why a pending job does not run yet, in plain words: what its row says, or what can be seen from
 * outside. Also why a running job neither runs nor ends: its executor died while the database of its
 * project committed, and only an executor of that data folder can tell how that ended. Null for any
 * other. Each part that may cost a look at another table is asked only when those before it gave no
 * answer.
 */
export const waitingReason = sql<string | null>`
  case
    when analysis_jobs.committing_at is not null and not exists (
      select
      from analysis_executors
      where id = analysis_jobs.executor_id
        and stopped_at is null
        and beat_at > now() - interval '8 seconds'
    )
      then format(
        'its executor ended while the database of the project "%s" committed: an executor of the data folder %s finds out whether it has completed',
        analyses.project_id,
        coalesce((select home_folder from projects where id = analyses.project_id), 'of any service')
      )
    when analysis_jobs.status <> 'pending' then null
    when analysis_jobs.run_at = 'infinity' then 'never due: run_at is infinity'
    when analysis_jobs.run_at > now() then
      case when analysis_jobs.waiting_reason like 'retry %'
        then analysis_jobs.waiting_reason || ', '
        else ''
      end
      || 'due at '
      || to_char(analysis_jobs.run_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    when not analysis_jobs.ready and not analysis_jobs.waits_for_slot
      then analysis_jobs.waiting_reason
    when not analyses.is_active
      then format('the analysis "%s" is disabled: the job fails when its turn comes', analyses.name)
    when not exists (
      select
      from analysis_executors
      where kind = 'service'
        and stopped_at is null
        and beat_at > now() - interval '8 seconds'
    )
      then 'no service runs jobs: start one with kiln serve-scheduler'
    when not exists (
      select
      from analysis_executors
      where kind = 'service'
        and stopped_at is null
        and not is_draining
        and beat_at > now() - interval '8 seconds'
    )
      then 'every executor is draining'
    when not kiln_is_home_served(analysis_jobs.database_home)
      then format(
        'the database of the project "%s" is in the data folder %s, and no executor of it runs',
        analyses.project_id, analysis_jobs.database_home
      )
    when analysis_jobs.waits_for_slot
      then coalesce(
        case when analysis_jobs.database_use is not null
          then kiln_database_reason(analyses.project_id, analysis_jobs.database_use)
        end,
        kiln_limit_reason(analysis_jobs.analysis_id),
        'its turn'
      )
    else 'a free place on an executor'
  end
`
