import { type RunnableAnalysis, loadRunnable } from '../analyses/index.ts'
import type { Context } from '../context.ts'
import type { ClaimedJob } from '../jobs/index.ts'

/** Versions kept; and scripts longer than this are read again each time. */
const maxEntries = 200
const maxScriptChars = 256 * 1024

/**
 * Versions of analyses that this executor has run lately. A version never changes, so that only
 * what the claim tells of the analysis (name, project, whether it is active) must be fresh.
 */
export class VersionCache {
  private readonly entries = new Map<string, RunnableAnalysis>()
  private readonly context: Pick<Context, 'database'>

  constructor(context: Pick<Context, 'database'>) {
    this.context = context
  }

  /** @throws KilnError ANALYSIS_NOT_FOUND, VERSION_NOT_FOUND. */
  async load(job: ClaimedJob): Promise<RunnableAnalysis> {
    const key = `${job.analysisId} ${job.versionNumber}`
    const known = this.entries.get(key)
    if (known) {
      // Last used, last to go.
      this.entries.delete(key)
      this.entries.set(key, known)
      const { analysisName: name, projectId, isActive } = job
      return { ...known, name, projectId, isActive }
    }
    const loaded = await loadRunnable(this.context, job.analysisId, job.versionNumber)
    // One that has not been inspected yet is about to change.
    if (loaded.definition !== null) this.keep(key, loaded)
    return loaded
  }

  private keep(key: string, analysis: RunnableAnalysis): void {
    if (analysis.script.source.length > maxScriptChars) return
    this.entries.set(key, analysis)
    if (this.entries.size <= maxEntries) return
    const [oldest] = this.entries.keys()
    if (oldest !== undefined) this.entries.delete(oldest)
  }
}
