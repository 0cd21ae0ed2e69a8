import { type Queries, prepare, runPrepared } from '../database/index.ts'

const look = prepare(
  'kiln_has_due_jobs',
  `
  select exists (
    select
    from analysis_executors executor
    cross join lateral kiln_take_due_jobs(1, executor.data_folder_id::text)
    where executor.id = $1
  ) as "isDue"
`,
)

/**
 * Whether there is a job that this executor might claim now, and that nobody else has locked. A claim
 * that got none does not tell: the jobs at the front may have become others while it was under way
 * (given back, retried, put off), and those behind them were not looked at.
 */
export async function hasDueJobs(queries: Queries, executorId: string): Promise<boolean> {
  const [row] = await runPrepared<{ isDue: boolean }>(queries, look, [executorId])
  return row?.isDue === true
}
