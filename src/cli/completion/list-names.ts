import { listAnalyses } from '../../core/analyses/index.ts'
import type { Context } from '../../core/context.ts'
import { listJobs } from '../../core/jobs/index.ts'
import { listSchedules } from '../../core/schedules/index.ts'
import type { NameKind } from './spec.ts'

type NamesContext = Pick<Context, 'database'>

const listings: Readonly<
  Record<NameKind, (context: NamesContext) => Promise<readonly (string | null)[]>>
> = {
  async analyses(context) {
    const { analyses } = await listAnalyses(context, { limit: 1000 })
    return analyses.map(({ name }) => name)
  },
  async jobs(context) {
    const { jobs } = await listJobs(context, { limit: 100 })
    return jobs.map(({ id }) => id)
  },
  // One goes by the name of its analysis; Kiln's own have none.
  async schedules(context) {
    const { schedules } = await listSchedules(context, { limit: 1000 })
    return schedules.map(({ analysisName }) => analysisName)
  },
}

/**
 * The names of a kind, each once: jobs newest first. What Kiln itself gives has no other characters than
 * these; whatever else a server says does not get to the shell, since bash expands the words that it
 * completes: `$(…)` would be run.
 */
export async function listNames(context: NamesContext, kind: NameKind): Promise<string[]> {
  const names = await listings[kind](context)
  const isHarmless = (name: string | null): name is string =>
    name !== null && /^[a-z0-9_.-]+$/.test(name)
  return [...new Set(names.filter(isHarmless))]
}
