import type {
  InspectionOutcome,
  SandboxHost,
  SandboxJob,
  SandboxLimits,
  SandboxOutcome,
  Script,
} from './contract.ts'
import { frameKinds } from './frames.ts'
import { type GuestReport, runGuest, toInspection, toOutcome } from './run-guest.ts'
import type { SandboxProcess } from './sandbox-process.ts'

/** Reading a definition runs the top level of a script; an honest one needs next to nothing. */
const inspectionLimits: SandboxLimits = {
  timeoutMs: 2000,
  runningMs: 2000,
  cpuMs: 5000,
  memoryBytes: 64 * 1024 ** 2,
  resultBytes: 1024 ** 2,
  logBytes: 64 * 1024,
  logLines: 100,
}

/** After this many guests a process is replaced: whatever they left in it goes with it. */
const maxGuests = 500
/** A process that has grown by this much at rest is replaced. */
const maxGrowthBytes = 100 * 1024 ** 2

/** Errors after which a process is as good as before; others leave doubts. */
const harmless = new Set(['script_error', 'definition_error', 'result_not_serializable'])

/** A process of the pool, for one project at a time. */
export class Sandbox {
  readonly process: SandboxProcess
  readonly projectId: string
  private readonly onRelease: (sandbox: Sandbox) => void
  private guests = 0
  private isSound = true
  private readonly restBytes: number

  constructor(process: SandboxProcess, projectId: string, onRelease: (sandbox: Sandbox) => void) {
    this.process = process
    this.projectId = projectId
    this.onRelease = onRelease
    this.restBytes = process.usage()?.residentBytes ?? 0
  }

  /** Runs a job's script. Aborting the signal kills it at once. Never rejects. */
  async run(job: SandboxJob, host: SandboxHost, signal: AbortSignal): Promise<SandboxOutcome> {
    const report = await runGuest(this.process, {
      kind: frameKinds.job,
      requestText: JSON.stringify({
        script: job.script,
        parametersText: job.parametersText,
        contextText: JSON.stringify(job.context),
        limits: job.limits,
      }),
      limits: job.limits,
      host,
      signal,
    })
    this.note(report)
    return toOutcome(report)
  }

  /** Reads what a script declares, by running its top level with small limits. Never rejects. */
  async inspect(script: Script): Promise<InspectionOutcome> {
    const report = await runGuest(this.process, {
      kind: frameKinds.inspect,
      requestText: JSON.stringify({
        script,
        parametersText: '{}',
        contextText: '{}',
        limits: inspectionLimits,
      }),
      limits: inspectionLimits,
      // Its log lines have no job to belong to.
      host: { call: () => Promise.reject(new Error('not here')), log: ignore, progress: ignore },
    })
    this.note(report)
    return toInspection(report, script.language === 'typescript')
  }

  /** Gives the process back to its pool. */
  release(): void {
    this.onRelease(this)
  }

  /** True when another job of the same project may use the process. */
  get isReusable(): boolean {
    const usage = this.process.usage()
    return (
      this.isSound &&
      !this.process.isGone &&
      this.guests < maxGuests &&
      (usage === undefined || usage.residentBytes < this.restBytes + maxGrowthBytes)
    )
  }

  private note({ end }: GuestReport): void {
    this.guests += 1
    if (end.kind === 'aborted' || (end.kind === 'failed' && !harmless.has(end.error.code))) {
      this.isSound = false
    }
  }
}

const ignore = () => undefined
