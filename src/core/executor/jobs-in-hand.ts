/** What counts for its turn of a job that was claimed and not begun. */
export interface JobInHand {
  readonly projectId: string
  readonly priority: number
  /** Since its claim. */
  readonly ageMs: number
}

/**
 * Older than this, nobody overtakes it. Half as much again as jobs are claimed ahead: with less, most
 * came to that age, and projects that take turns lost a process to each other with every hundred jobs.
 */
const patienceMs = 150
/** So many are looked at for one whose sandbox is ready. */
const farthest = 256

/**
 * The jobs that an executor has claimed ahead. They begin in the order of the queue, but for a moment:
 * a project's scripts run in processes of its own, so that a job of the project whose script has just
 * ended finds its process free and its memory in the caches, and one of a project that runs here would
 * have to start a process beside it.
 */
export class JobsInHand<Job extends JobInHand> {
  private jobs: Job[] = []
  /** Scripts that run here, by project. */
  private readonly running = new Map<string, number>()
  private lastEnded: string | undefined

  get count(): number {
    return this.jobs.length
  }

  add(jobs: readonly Job[]): void {
    this.jobs.push(...jobs)
  }

  /** Those that were taken as too old, and have to be begun all the same. */
  putBack(jobs: readonly Job[]): void {
    this.jobs.unshift(...jobs)
  }

  /** The job to begin now; its script counts as running until `ended`. */
  takeNext(): Job | undefined {
    const index = this.nextIndex()
    const job = index === 0 ? this.jobs.shift() : this.jobs.splice(index, 1)[0]
    if (job) this.running.set(job.projectId, (this.running.get(job.projectId) ?? 0) + 1)
    return job
  }

  /** The script of a job that was begun has ended. */
  ended({ projectId }: Job): void {
    this.lastEnded = projectId
    const left = (this.running.get(projectId) ?? 1) - 1
    if (left > 0) this.running.set(projectId, left)
    else this.running.delete(projectId)
  }

  /** Takes all that were claimed so long ago. */
  takeOlderThan(ageMs: number): readonly Job[] {
    const { true: old = [], false: young = [] } = Object.groupBy(
      this.jobs,
      (job) => String(job.ageMs >= ageMs) as 'true' | 'false',
    )
    this.jobs = young
    return old
  }

  private nextIndex(): number {
    const [first] = this.jobs
    if (!first || first.projectId === this.lastEnded || first.ageMs > patienceMs) return 0
    let idle = -1
    for (let index = 0; index < this.jobs.length && index < farthest; index += 1) {
      const { projectId, priority } = this.jobs[index] as Job
      if (priority !== first.priority) break
      if (projectId === this.lastEnded) return index
      if (idle < 0 && !this.running.has(projectId)) idle = index
    }
    return Math.max(idle, 0)
  }
}
