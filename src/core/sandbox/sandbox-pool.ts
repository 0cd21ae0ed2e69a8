import type { ConfinerKind } from '../confine/index.ts'
import { Sandbox } from './sandbox.ts'
import { SandboxProcess } from './sandbox-process.ts'
import { SandboxUnavailableError } from './sandbox-unavailable-error.ts'
import { type WallStats, Walls } from './walls.ts'

export interface SandboxPoolOptions {
  /** The built entry file of the sandbox process. */
  readonly entryPath: string
  /** The Node that runs it; 24 or newer. */
  readonly nodePath: string
  /** As many as jobs run at a time; so many are kept for reuse however long they idle. */
  readonly size: number
  /**
   * Most that are kept for a while, for projects that take turns: each has a process of its own, and
   * starting one costs more than most scripts. `size` unless given.
   */
  readonly keep?: number
  /** Fresh ones that are started ahead of need, within `size`. */
  readonly warm: number
  /**
   * As many more beyond `size`, a moment after a job, for the next project that has no sandbox yet. None
   * unless given: a command that runs one job would start it for nothing.
   */
  readonly spare?: number
  /** The largest memory limit and CPU limit a job will have; the ulimits follow from them. */
  readonly maxMemoryBytes?: number
  readonly maxCpuMs?: number
  /** The programs that may give sandboxes a view of their own; all that work here unless told. */
  readonly confiners?: readonly ConfinerKind[]
  readonly log?: (level: 'warn' | 'info', fields: Record<string, unknown>, message: string) => void
}

export interface SandboxPoolStats {
  readonly size: number
  /** Running a job. */
  readonly busy: number
  /** Waiting for the next job of their project. */
  readonly idle: number
  /** Started, of no project yet. */
  readonly fresh: number
  /** Processes started since the pool exists. */
  readonly started: number
  readonly walls: WallStats
}

/** One process and what the pool knows about it. */
interface Slot {
  readonly process: SandboxProcess
  readonly startedResidentBytes: number
  projectId: string | undefined
  state: 'free' | 'busy'
  jobs: number
  idleSince: number
}

/**
 * Whatever a job leaves behind in its process is gone after this many: about 1 KB of each stays, in
 * V8's own lists, so that it grows by a tenth. Starting the next one costs as much as fifty small jobs.
 */
const maxJobs = 1500
/** Beyond `size`, one that nobody has used for so long ends. */
const maxIdleMs = 60_000
/** Jobs of a moment, each of less than 25 ms; the ulimit leaves 10 s beyond the share of a whole job. */
const cpuReadEvery = 20
/** Growth of a process over its start, past which a fresh one is cheaper to trust. */
const maxGrowthBytes = 100 * 1024 ** 2
/** Spares are started so long after a job has begun or ended: what it needs comes first. */
const topUpDelayMs = 20
/** The first time: a start takes as much CPU as fifty small jobs, and many an executor has only one. */
const firstTopUpDelayMs = 1000

/**
 * Keeps sandbox processes: fresh ones ahead of need, used ones for the next job of the same project.
 * A process never serves two projects. `size` bounds what is kept, not what can be acquired: a job
 * that waits for a child job must not wait for its own slot.
 */
export class SandboxPool {
  private readonly options: SandboxPoolOptions
  private readonly slots = new Set<Slot>()
  private readonly starter = new Walls()
  /** Spares that are being started and that nobody has asked for yet. */
  private readonly coming = new Set<Promise<Slot>>()
  /** All that are being started. */
  private readonly pending = new Set<Promise<Slot>>()
  private started = 0
  private isStopped = false
  private topUpTimer: NodeJS.Timeout | undefined
  /** After a job, not only at the start. */
  private hasToppedUp = false
  private evictTimer: NodeJS.Timeout | undefined

  constructor(options: SandboxPoolOptions) {
    this.options = options
  }

  /**
   * Starts the spares.
   *
   * @throws SandboxUnavailableError when a process does not start.
   */
  async start(): Promise<void> {
    this.topUp(this.options.size)
    await Promise.all(this.coming)
  }

  /** Ends all processes, also those that run a job; resolves when they are gone. Safe to repeat. */
  async stop(): Promise<void> {
    this.isStopped = true
    clearTimeout(this.topUpTimer)
    clearTimeout(this.evictTimer)
    await Promise.all([...this.slots].map((slot) => slot.process.kill()))
    // Those end themselves once they have started. Killed half way, bwrap would leave its child behind.
    await Promise.allSettled(this.pending)
  }

  /**
   * A sandbox for one job of a project, the last one that served it if there is one. The caller
   * releases it.
   *
   * @throws SandboxUnavailableError, or the signal's reason.
   */
  async acquire(projectId: string, signal?: AbortSignal): Promise<Sandbox> {
    let slot = this.findFree(projectId)
    while (!slot) {
      signal?.throwIfAborted()
      const started = await this.nextStarted()
      // While this waited, another caller may have found it free.
      if (started.state === 'free' && started.process.isAlive) slot = started
    }
    signal?.throwIfAborted()
    slot.state = 'busy'
    slot.projectId = projectId
    slot.process.setHolding(true)
    this.topUpLater()
    return new Sandbox(slot.process, (isReusable) => this.release(slot, isReusable))
  }

  /** What stands around its sandboxes. */
  get walls(): WallStats {
    return this.starter.stats()
  }

  stats(): SandboxPoolStats {
    // One that was killed counts no more, though its end may not have come to us yet.
    const slots = [...this.slots].filter((slot) => slot.process.isRunning)
    return {
      size: this.options.size,
      busy: slots.filter((slot) => slot.state === 'busy').length,
      idle: slots.filter((slot) => slot.state === 'free' && slot.projectId !== undefined).length,
      fresh: slots.filter((slot) => slot.state === 'free' && slot.projectId === undefined).length,
      started: this.started,
      walls: this.walls,
    }
  }

  /**
   * The project's own, the last used first (its memory is warm), else a fresh one. Only the one that
   * is taken is looked at: to ask the system about each of fifty costs more than a script.
   */
  private findFree(projectId: string): Slot | undefined {
    let fresh: Slot | undefined
    let own: Slot | undefined
    for (const slot of this.slots) {
      if (slot.state !== 'free' || !slot.process.isAlive) continue
      if (slot.projectId === projectId) own = slot
      else if (slot.projectId === undefined) fresh ??= slot
    }
    const found = own ?? fresh
    if (!found || this.isFit(found)) return found
    void found.process.kill()
    return this.findFree(projectId)
  }

  /** Looked at now: right after a job its isolate is still being taken down. */
  private isFit({ process, startedResidentBytes }: Slot): boolean {
    const residentBytes = process.readResidentBytes()
    return residentBytes === undefined
      ? // Where the system does not tell, the event of its end does.
        process.isRunning
      : residentBytes <= startedResidentBytes + maxGrowthBytes
  }

  private release(slot: Slot, isReusable: boolean): void {
    slot.state = 'free'
    slot.jobs += 1
    // Of a job of more than a moment it has been read.
    if (slot.jobs % cpuReadEvery === 0) slot.process.readCpuMs()
    slot.idleSince = performance.now()
    // Moves it to the end: the order of the set is the order of last use.
    if (this.slots.delete(slot)) this.slots.add(slot)
    slot.process.setHolding(false)
    if (!isReusable || this.isWorn(slot)) void slot.process.kill()
    else if (this.slots.size > this.keep) this.evict()
    if (this.isStopped) return
    if (this.slots.size > this.options.size) this.evictLater()
    this.topUpLater()
  }

  private isWorn(slot: Slot): boolean {
    // The ulimit counts the whole life of the process: leave a whole job's share.
    return slot.jobs >= maxJobs || slot.process.lastCpuMs > this.maxCpuMs
  }

  /**
   * Ends used ones beyond `keep`, or old and beyond `size`: first the spare ones of projects that have
   * another, then those that were idle longest. When projects take turns, that one is the next that
   * will be needed. True when some beyond `size` are left.
   */
  private evict(): boolean {
    const idle = spareFirst(
      [...this.slots].filter(
        (slot) => slot.state === 'free' && slot.projectId !== undefined && slot.process.isAlive,
      ),
    )
    const busy = [...this.slots].filter((slot) => slot.state === 'busy').length
    const now = performance.now()
    const beyondSize = idle.slice(0, Math.max(0, busy + idle.length - this.options.size))
    const beyondKeep = Math.max(0, busy + idle.length - this.keep)
    for (const [index, slot] of beyondSize.entries()) {
      const isOld = now - slot.idleSince >= maxIdleMs
      if (index < beyondKeep || isOld) void slot.process.kill()
    }
    return beyondSize.some((slot) => slot.process.isAlive)
  }

  /** Looks for old ones until there are none beyond `size`. */
  private evictLater(): void {
    if (this.isStopped || this.evictTimer) return
    this.evictTimer = setTimeout(() => {
      this.evictTimer = undefined
      if (this.evict()) this.evictLater()
    }, maxIdleMs / 2)
    this.evictTimer.unref()
  }

  private get keep(): number {
    const { size, keep = size } = this.options
    return Math.max(size, keep)
  }

  /** How many fresh ones to start so that `warm` are there, within `limit` processes. */
  private missing(limit: number): number {
    const fresh = [...this.slots].filter(
      (slot) => slot.state === 'free' && slot.projectId === undefined,
    ).length
    const room = limit - this.slots.size - this.pending.size
    return Math.max(0, Math.min(this.options.warm - fresh - this.pending.size, room))
  }

  private topUpLater(): void {
    if (this.isStopped || this.topUpTimer) return
    const topUp = (): void => {
      this.topUpTimer = undefined
      this.hasToppedUp = true
      this.topUp(this.options.size + (this.options.spare ?? 0))
    }
    this.topUpTimer = setTimeout(topUp, this.hasToppedUp ? topUpDelayMs : firstTopUpDelayMs)
    this.topUpTimer.unref()
  }

  private topUp(limit: number): void {
    if (this.isStopped) return
    for (let count = this.missing(limit); count > 0; count -= 1) {
      const slot = this.addSlot()
      this.coming.add(slot)
      slot
        .catch((error: unknown) => {
          // The next acquire starts its own, and tells its caller.
          const text = error instanceof Error ? error.message : String(error)
          this.options.log?.('warn', { error: text }, 'cannot start a spare sandbox')
        })
        .finally(() => this.coming.delete(slot))
    }
  }

  /** A spare that is on its way already, else one started for this. */
  private nextStarted(): Promise<Slot> {
    const [coming] = this.coming
    if (!coming) return this.addSlot()
    this.coming.delete(coming)
    return coming
  }

  private addSlot(): Promise<Slot> {
    const slot = this.startSlot()
    this.pending.add(slot)
    return slot.finally(() => this.pending.delete(slot))
  }

  private async startSlot(): Promise<Slot> {
    if (this.isStopped) throw new SandboxUnavailableError('the sandboxes have been stopped')
    const { process } = await this.starter.start({
      nodePath: this.options.nodePath,
      entryPath: this.options.entryPath,
      maxMemoryBytes: this.options.maxMemoryBytes ?? 256 * 1024 ** 2,
      confiners: this.options.confiners,
      cpuSeconds: Math.ceil((2 * this.maxCpuMs) / 1000) + 10,
    })
    this.started += 1
    const slot: Slot = {
      process,
      startedResidentBytes: process.readResidentBytes() ?? 0,
      projectId: undefined,
      state: 'free',
      jobs: 0,
      idleSince: performance.now(),
    }
    this.slots.add(slot)
    process.setHolding(false)
    void process.exited.then(() => this.slots.delete(slot))
    // It was stopped meanwhile; `stop` has not seen this one.
    if (this.isStopped) {
      await process.kill()
      throw new SandboxUnavailableError('the sandboxes have been stopped')
    }
    return slot
  }

  private get maxCpuMs(): number {
    return this.options.maxCpuMs ?? 601_000
  }
}

/** Those whose project has one that was used later, then the others; each in their order. */
function spareFirst(idle: readonly Slot[]): readonly Slot[] {
  const last = new Map(idle.map((slot) => [slot.projectId, slot]))
  const isSpare = (slot: Slot): boolean => last.get(slot.projectId) !== slot
  return [...idle.filter(isSpare), ...idle.filter((slot) => !isSpare(slot))]
}
