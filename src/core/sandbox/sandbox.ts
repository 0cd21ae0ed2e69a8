import type {
  InspectionLimits,
  InspectionOutcome,
  SandboxHost,
  SandboxJob,
  SandboxOutcome,
  Script,
} from './contract.ts'
import type { GuestRequest } from './process/request.ts'
import type { SandboxProcess } from './sandbox-process.ts'
import { type EndedSession, Session, type SessionRequest } from './session.ts'

/** Reading a definition runs a few lines at the top of a script: more than this is a mistake. */
const inspectionLimits: InspectionLimits = { timeoutMs: 2000, memoryBytes: 64 * 1024 ** 2 }

/** A definition larger than this is data, not a definition. */
const definitionBytes = 1024 ** 2

const requestText = (request: GuestRequest): string => JSON.stringify(request)

/** Numbers requests over the life of this process, so that no frame passes for another job's. */
let lastSessionId = 0

/**
 * A sandbox taken from the pool, for one job: inspect it, run it, release it. One request at a time.
 */
export class Sandbox {
  private readonly process: SandboxProcess
  private readonly onRelease: (isReusable: boolean) => void
  private isReusable = true
  private isReleased = false
  private isBusy = false

  constructor(process: SandboxProcess, onRelease: (isReusable: boolean) => void) {
    this.process = process
    this.onRelease = onRelease
  }

  /** The process that runs the script. */
  get pid(): number {
    return this.process.pid
  }

  /**
   * Runs a script to its end. Never rejects: whatever the script or its process does is an outcome.
   * Aborting the signal kills the process at once.
   */
  async run(job: SandboxJob, host: SandboxHost, signal: AbortSignal): Promise<SandboxOutcome> {
    const { end, usage } = await this.request({
      text: requestText({
        kind: 'job',
        script: job.script,
        contextText: JSON.stringify(job.context),
        parametersText: job.parametersText,
        optionsOf: job.optionsOf,
        limits: { ...job.limits, definitionBytes: 0 },
      }),
      limits: job.limits,
      host,
      signal,
    })
    switch (end.status) {
      case 'done':
        return { status: 'completed', resultText: end.resultText, usage }
      case 'failed':
        return { status: 'failed', error: end.error, usage }
      default:
        return { status: 'aborted', usage }
    }
  }

  /**
   * Runs the top level of a script and returns what it declares, not yet validated. Never rejects;
   * errors are `definition_error`, or the limit that was hit.
   */
  async inspect(
    script: Script,
    limits: InspectionLimits = inspectionLimits,
  ): Promise<InspectionOutcome> {
    const { timeoutMs, memoryBytes } = limits
    const all = {
      timeoutMs,
      memoryBytes,
      runningMs: timeoutMs,
      cpuMs: 2 * timeoutMs + 1000,
      resultBytes: 0,
      logBytes: 0,
      logLines: 0,
    }
    const { end } = await this.request({
      text: requestText({
        kind: 'inspect',
        script,
        contextText: '',
        parametersText: '',
        limits: { ...all, definitionBytes },
      }),
      limits: all,
    })
    if (end.status === 'inspected') return { status: 'ok', inspection: end.inspection }
    if (end.status === 'failed') return { status: 'failed', error: end.error }
    throw new Error(`an inspection ended as ${end.status}`)
  }

  /** Gives the process back to the pool, or has it replaced after harm. Safe to repeat. */
  release(): void {
    if (this.isReleased) return
    this.isReleased = true
    // Released while it runs: the job is abandoned, the process with it.
    this.onRelease(this.isReusable && !this.isBusy)
  }

  private async request(request: SessionRequest): Promise<EndedSession> {
    if (this.isReleased || this.isBusy) throw new Error('this sandbox is not free')
    this.isBusy = true
    lastSessionId = (lastSessionId + 1) % 2 ** 32
    const ended = await new Session(this.process, lastSessionId, request).ended
    this.isBusy = false
    if (!ended.isReusable) this.isReusable = false
    return ended
  }
}
