import { accountForSandbox } from './account.ts'
import { Sandbox } from './sandbox.ts'
import { SandboxProcess, type SandboxProcessOptions } from './sandbox-process.ts'

const defaultMemoryBytes = 256 * 1024 ** 2

export interface SandboxPoolOptions {
  readonly nodePath: string
  /** The built sandbox process. */
  readonly entryPath: string
  /** Idle processes kept, warm ones included. */
  readonly size: number
  /** Processes started ahead of need. */
  readonly warm: number
  /** Largest heap any job may ask for; 256 MB unless told. */
  readonly memoryBytes?: number
}

export interface SandboxPoolStats {
  readonly busy: number
  readonly idle: number
  readonly started: number
  /** Numeric account of the processes; null when they share ours. */
  readonly uid: number | null
}

/**
 * Processes that run guests. One guest at a time each, and only guests of one project: what a
 * script may have left behind in its process is out of reach of other projects. Broken ones are
 * replaced, and fresh ones are started ahead of need.
 */
export class SandboxPool {
  private readonly options: SandboxPoolOptions
  private readonly fresh: SandboxProcess[] = []
  private idle: Sandbox[] = []
  private readonly busy = new Set<Sandbox>()
  private readonly uid: number | undefined
  private started = 0
  private isStopped = false

  constructor(options: SandboxPoolOptions) {
    this.options = options
    this.uid = accountForSandbox([options.nodePath, options.entryPath])
  }

  /** Starts the warm processes; rejects when the first one does not start. */
  async start(): Promise<void> {
    this.refill()
    await this.fresh[0]?.ready
  }

  /**
   * A sandbox for a job of this project: a used one of the same project, else a fresh one. There is
   * no upper bound here: the caller has claimed no more jobs than it wants to run.
   */
  async acquire(projectId: string, signal?: AbortSignal): Promise<Sandbox> {
    signal?.throwIfAborted()
    const known = this.idle.findLast((sandbox) => sandbox.projectId === projectId)
    if (known) {
      this.idle = this.idle.filter((sandbox) => sandbox !== known)
      if (!known.process.isGone) {
        this.busy.add(known)
        return known
      }
    }
    const process = this.fresh.shift() ?? this.spawn()
    this.refill()
    const sandbox = await this.open(process, projectId)
    if (signal?.aborted || this.isStopped) {
      sandbox.process.kill()
      this.busy.delete(sandbox)
      throw (signal?.reason as Error | undefined) ?? new Error('the sandbox pool has stopped')
    }
    return sandbox
  }

  /** Kills every process and waits until they are gone. */
  async stop(): Promise<void> {
    this.isStopped = true
    const all = [
      ...this.fresh,
      ...this.idle.map((sandbox) => sandbox.process),
      ...[...this.busy].map((sandbox) => sandbox.process),
    ]
    for (const process of all) process.kill()
    await Promise.all(all.map((process) => process.exited))
  }

  stats(): SandboxPoolStats {
    return {
      busy: this.busy.size,
      idle: this.idle.length + this.fresh.length,
      started: this.started,
      uid: this.uid ?? null,
    }
  }

  private async open(process: SandboxProcess, projectId: string): Promise<Sandbox> {
    const sandbox = new Sandbox(process, projectId, (released) => this.takeBack(released))
    this.busy.add(sandbox)
    try {
      await process.ready
      return sandbox
    } catch (error) {
      this.busy.delete(sandbox)
      throw error
    }
  }

  private takeBack(sandbox: Sandbox): void {
    if (!this.busy.delete(sandbox)) return
    if (this.isStopped || !sandbox.isReusable) {
      sandbox.process.kill()
      return
    }
    this.idle.push(sandbox)
    // The one unused for longest makes room.
    if (this.idle.length > this.options.size) this.idle.shift()?.process.kill()
  }

  private refill(): void {
    while (!this.isStopped && this.fresh.length < this.options.warm) this.fresh.push(this.spawn())
  }

  private spawn(): SandboxProcess {
    const { nodePath, entryPath, memoryBytes = defaultMemoryBytes } = this.options
    this.started += 1
    const options: SandboxProcessOptions = { nodePath, entryPath, memoryBytes }
    // A uid of its own each: two sandboxes cannot signal or trace one another.
    return new SandboxProcess(
      this.uid === undefined ? options : { ...options, uid: this.uid + (this.started % 1000) },
    )
  }
}
