import {
  BrokenFrameError,
  checkCall,
  checkFailure,
  checkInspection,
  checkLog,
  checkProgress,
  checkResult,
  toHostCallFailure,
} from './check-frame.ts'
import type { Inspection, SandboxError, SandboxHost, SandboxUsage } from './contract.ts'
import { type Frame, frameKinds, maxFrameBytes } from './frames.ts'
import { type Excess, JobWatch, type WatchedLimits, cpuExcess, memoryExcess } from './job-watch.ts'
import { LogMeter } from './log-meter.ts'
import { type ProcessExit, type SandboxProcess, exitOf } from './sandbox-process.ts'

/** Limits that are checked here again, after the sandbox has. */
export interface SessionLimits extends WatchedLimits {
  readonly resultBytes: number
  readonly logBytes: number
  readonly logLines: number
}

export interface SessionRequest {
  /** What goes to the process. */
  readonly text: string
  readonly limits: SessionLimits
  /** Undefined for an inspection: it may ask for nothing. */
  readonly host?: SandboxHost
  readonly signal?: AbortSignal
}

export type SessionEnd =
  | { readonly status: 'done'; readonly resultText: string }
  | { readonly status: 'inspected'; readonly inspection: Inspection }
  | { readonly status: 'failed'; readonly error: SandboxError }
  | { readonly status: 'aborted' }

export interface EndedSession {
  readonly end: SessionEnd
  readonly usage: SandboxUsage
  /** The process came through it unharmed. */
  readonly isReusable: boolean
}

/** As many as the isolate lets out at a time; more is not our code speaking. */
const maxCallsInFlight = 8

/** After these the process may be in any state. */
const harmfulCodes = new Set([
  'timeout',
  'memory_limit',
  'cpu_limit',
  'result_too_large',
  'sandbox_crashed',
])

/**
 * One request to a sandbox process, from the frame that starts it to the first one that ends it,
 * or to the end of the process. Whatever the process sends, this settles once.
 */
export class Session {
  private readonly process: SandboxProcess
  private readonly request: SessionRequest
  private readonly id: number
  private readonly watch: JobWatch
  private readonly log: LogMeter
  private readonly calls = new Set<number>()
  /** Made for the first call: most scripts make none. */
  private callsEnd: AbortController | undefined
  private readonly hostCodes = new Set<string>()
  private resolve: (ended: EndedSession) => void = () => undefined
  private isSettled = false
  readonly ended = new Promise<EndedSession>((resolve) => (this.resolve = resolve))

  constructor(process: SandboxProcess, id: number, request: SessionRequest) {
    this.process = process
    this.request = request
    this.id = id
    this.log = new LogMeter(request.limits)
    this.watch = new JobWatch(process, request.limits, (excess) => this.fail(excess))
    process.onFrame = (frame) => this.receive(frame)
    process.onBrokenFrame = (message) => this.crash(`it sent ${message}`)
    process.onExit = (exit) => this.processEnded(exit)
    request.signal?.addEventListener('abort', this.abort, { once: true })
    if (process.exit) this.processEnded(process.exit)
    else if (request.signal?.aborted) this.abort()
    else process.send(frameKinds.request, id, request.text)
  }

  private readonly abort = (): void => this.settle({ status: 'aborted' })

  private receive(frame: Frame): void {
    if (this.isSettled) return
    try {
      this.handle(frame)
    } catch (error) {
      if (!(error instanceof BrokenFrameError)) throw error
      this.crash(`it sent ${error.message}`)
    }
  }

  private handle({ kind, id, text }: Frame): void {
    const { host, limits } = this.request
    if (kind === frameKinds.call && host) {
      this.call(host, id, text)
    } else if (kind === frameKinds.log && host) {
      const lines = this.log.admit(checkLog(text))
      if (lines.length > 0) host.log(lines)
    } else if (kind === frameKinds.progress && host) {
      host.progress(...checkProgress(text))
    } else if (id !== this.id) {
      throw new BrokenFrameError('a frame of another job')
    } else if (kind === frameKinds.done && host) {
      checkResult(text, limits.resultBytes)
      this.settle({ status: 'done', resultText: text })
    } else if (kind === frameKinds.inspected && !host) {
      this.settle({ status: 'inspected', inspection: checkInspection(text) })
    } else if (kind === frameKinds.failed) {
      this.settle({ status: 'failed', error: checkFailure(text, this.hostCodes) })
    } else {
      throw new BrokenFrameError('a frame that does not belong here')
    }
  }

  private call(host: SandboxHost, id: number, text: string): void {
    const { operation, argumentsText } = checkCall(text)
    if (this.calls.size >= maxCallsInFlight || this.calls.has(id)) {
      throw new BrokenFrameError('more calls than it may')
    }
    this.calls.add(id)
    this.callsEnd ??= new AbortController()
    host.call(operation, argumentsText, this.callsEnd.signal).then(
      (reply) => {
        if (reply.length > maxFrameBytes / 2 && Buffer.byteLength(reply) > maxFrameBytes - 5) {
          this.refuse(id, {
            code: 'reply_too_large',
            message: 'the reply is larger than 64 MB: read less, or in parts with stream()',
          })
        } else {
          this.reply(frameKinds.reply, id, reply)
        }
      },
      (error: unknown) => this.refuse(id, toHostCallFailure(error)),
    )
  }

  private refuse(id: number, failure: { readonly code: string; readonly message: string }): void {
    this.hostCodes.add(failure.code)
    const message = failure.message.slice(0, 8192)
    this.reply(frameKinds.refusal, id, JSON.stringify({ code: failure.code, message }))
  }

  private reply(kind: number, id: number, text: string): void {
    // The job is over: a late reply must not reach the next one.
    if (this.isSettled) return
    this.calls.delete(id)
    this.process.send(kind, id, text)
  }

  private processEnded(exit: ProcessExit): void {
    const { limits } = this.request
    if (exit.signal === 'SIGXCPU') this.fail(cpuExcess(limits.cpuMs))
    else if (
      /out of memory|heap_oom = 1|allocation failed|bad_alloc|semi space|invalid size error/i.test(
        exit.errorText,
      )
    ) {
      this.fail(memoryExcess(limits.memoryBytes))
    } else this.crash(exitOf(exit))
  }

  private crash(reason: string): void {
    this.fail({ code: 'sandbox_crashed', message: `the sandbox process broke: ${reason}` })
  }

  private fail({ code, message }: Excess | { code: 'sandbox_crashed'; message: string }): void {
    this.settle({
      status: 'failed',
      error: { code, name: '', message, line: null, column: null, stack: '' },
    })
  }

  private settle(end: SessionEnd): void {
    if (this.isSettled) return
    this.isSettled = true
    const usage = this.watch.stop()
    this.request.signal?.removeEventListener('abort', this.abort)
    this.callsEnd?.abort(new Error('the job has ended'))
    this.process.onExit = () => undefined
    const isReusable =
      end.status === 'failed' ? !harmfulCodes.has(end.error.code) : end.status !== 'aborted'
    if (isReusable) {
      this.resolve({ end, usage, isReusable })
      return
    }
    // The caller may rely on it: once told, the script does nothing any more.
    void this.process.kill().then(() => this.resolve({ end, usage, isReusable }))
  }
}
