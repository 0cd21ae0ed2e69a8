import { sql } from 'kysely'
import { type Queries, prepare, runPrepared } from '../database/index.ts'

/** Jobs admitted by one transaction: it holds the lock on all slots for some 20 ms at most. */
const batchSize = 500

/** Claims of other data folders step over those that are ready, so there must not be many. */
const maxReaders = 64

/**
 * A statement of its own: the next one must see what those have given away who had the lock. Plans
 * are kept, and one made while the table was small may read all of it for each pair.
 */
const lockSlots = prepare(
  'kiln_lock_slots',
  `select set_config('enable_seqscan', 'off', true), kiln_lock_slots()`,
)

/**
 * Walks from pair to pair of analysis and priority, by one index probe each, and not over the
 * waiting jobs: 100,000 of one analysis cost what one costs, and so do those that are not due. Jobs
 * that somebody has locked are stepped over.
 */
const admit = prepare(
  'kiln_admit_jobs',
  `
  with recursive pairs (analysis_id, priority) as (
    (
      select analysis_id, priority
      from analysis_jobs
      where waits_for_slot
      order by analysis_id, priority
      limit 1
    )
    union all
    select next.analysis_id, next.priority
    from pairs
    cross join lateral (
      select job.analysis_id, job.priority
      from analysis_jobs job
      where job.waits_for_slot
        and (job.analysis_id, job.priority) > (pairs.analysis_id, pairs.priority)
      order by job.analysis_id, job.priority
      limit 1
    ) next
  ),
  held as materialized (
    -- A child holds no slot of the project: its parent does.
    select analysis_id, count(*) as jobs, count(*) filter (where parent_job_id is null) as own_jobs
    from analysis_jobs
    where holds_slot
    group by analysis_id
  ),
  asked as materialized (
    select analysis_id, count(*) as children
    from analysis_slot_requests
    where asked_at > now() - interval '5 seconds'
    group by analysis_id
  ),
  projects_room as materialized (
    select project.id, project.max_concurrent - coalesce(sum(held.own_jobs), 0) as jobs
    from projects project
    left join (
      held
      join analyses analysis on analysis.id = held.analysis_id
    ) on analysis.project_id = project.id
    where project.max_concurrent is not null
    group by project.id
  ),
  databases as materialized (
    -- Of those that have or ask for the project database.
    select project_id, count(*) as users,
      count(*) filter (where database_use = 'write') as writers
    from analysis_database_users
    group by project_id
  ),
  room as materialized (
    select analysis.id as analysis_id, analysis.project_id, project.jobs as project_jobs,
      analysis.max_concurrent is not null or project.jobs is not null as is_limited,
      coalesce(databases.users, 0) as users, coalesce(databases.writers, 0) as writers,
      least(
        analysis.max_concurrent - coalesce(held.jobs, 0) - coalesce(asked.children, 0),
        project.jobs,
        case analysis.database_use
          -- Looked at even while it cannot go: readers that came later wait behind it.
          when 'write' then 1
          when 'read' then case when databases.writers > 0 then 0 else $2 - databases.users end
        end,
        $1
      ) as jobs
    from (select distinct analysis_id from pairs) waiting
    join analyses analysis on analysis.id = waiting.analysis_id
    left join databases on databases.project_id = analysis.project_id
    left join projects_room project on project.id = analysis.project_id
    left join held on held.analysis_id = analysis.id
    left join asked on asked.analysis_id = analysis.id
  ),
  candidates as materialized (
    select job.ctid as place, room.analysis_id, room.project_id, room.project_jobs, room.jobs,
      room.is_limited or job.database_use is not null as is_limited, room.users, room.writers,
      job.database_use, job.priority, job.run_at, job.id
    from room
    join pairs on pairs.analysis_id = room.analysis_id
    cross join lateral (
      select ctid, database_use, priority, run_at, id
      from analysis_jobs
      where waits_for_slot
        and status = 'pending'
        and not ready
        and analysis_id = pairs.analysis_id
        and priority = pairs.priority
        and run_at <= now()
      order by run_at, id
      limit room.jobs
      for update skip locked
    ) job
    where room.jobs > 0
  ),
  within_analysis as (
    select *, row_number() over (
      partition by analysis_id
      order by priority desc, run_at, id
    ) as number
    from candidates
  ),
  within_project as (
    select place, project_id, is_limited, project_jobs, users, writers, database_use, priority,
      run_at, id, row_number() over (
        partition by project_id
        order by priority desc, run_at, id
      ) as number
    from within_analysis
    where number <= jobs
  ),
  within_database as (
    -- First come first served: nobody overtakes a writer that waits for readers to end.
    select *, count(*) over earlier as before,
      count(*) filter (where database_use = 'write') over earlier as writers_before
    from within_project
    where number <= coalesce(project_jobs, number)
    window earlier as (
      partition by project_id, database_use is null
      order by priority desc, run_at, id
      rows between unbounded preceding and 1 preceding
    )
  ),
  chosen as materialized (
    select within_database.place, within_database.is_limited
    from within_database
    join projects project on project.id = within_database.project_id
    where case within_database.database_use
        when 'write' then users + before = 0
        when 'read' then writers + writers_before = 0 and users + before < $2
        else true
      end
      and (
        within_database.database_use is null
        or kiln_is_home_served(project.home_folder)
      )
    order by within_database.priority desc, within_database.run_at, within_database.id
    limit $1
  ),
  admitted as (
    update analysis_jobs job
    set ready = true, waits_for_slot = false, waiting_reason = null,
      holds_slot = job.ctid = any (array(select place from chosen where is_limited)),
      database_home = case when job.database_use is not null then (
        select project.home_folder
        from analyses analysis
        join projects project on project.id = analysis.project_id
        where analysis.id = job.analysis_id
      ) end
    where job.ctid = any (array(select place from chosen))
    returning job.id
  ),
  notified as (
    select pg_notify('kiln_jobs', '')
    where exists (select from admitted)
  )
  select (select count(*) from admitted)::integer as count,
    (select count(*) from notified) as notified
`,
)

/**
 * Makes waiting due jobs ready, in the order of claims, as far as their analyses and projects have
 * free slots, and tells the executors. Jobs that no limit holds any more become ready too. Returns
 * how many became ready. Any number of processes may call it at once.
 */
export async function admitJobs(queries: Queries): Promise<number> {
  if (!(await isAnyWaiting(queries))) return 0
  let total = 0
  for (;;) {
    const count = await admitBatch(queries)
    total += count
    if (count < batchSize) return total
  }
}

/**
 * Most calls find nothing that waits, and need not queue for the lock. Planned at each call: a plan
 * that was kept from when the table was small reads all of it. The first by its index, and not whether
 * there is one: without statistics the planner would expect to find one soon by reading the table.
 */
async function isAnyWaiting(queries: Queries): Promise<boolean> {
  const { rows } = await sql<{ isWaiting: boolean }>`
    select (
      select run_at
      from analysis_jobs
      where not ready
        and waiting_reason is not null
        and run_at <= now()
        and waits_for_slot
      order by run_at
      limit 1
    ) is not null as "isWaiting"
  `.execute(queries)
  return rows[0]?.isWaiting ?? false
}

async function admitBatch(queries: Queries): Promise<number> {
  return queries.transaction().execute(async (transaction) => {
    await runPrepared(transaction, lockSlots, [])
    const [admitted] = await runPrepared<{ count: number }>(transaction, admit, [
      batchSize,
      maxReaders,
    ])
    return admitted?.count ?? 0
  })
}
