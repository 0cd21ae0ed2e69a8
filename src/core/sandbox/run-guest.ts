import type {
  InspectionOutcome,
  LogLine,
  SandboxError,
  SandboxHost,
  SandboxLimits,
  SandboxOutcome,
  SandboxUsage,
} from './contract.ts'
import { type Frame, frameKinds } from './frames.ts'
import {
  isSandboxError,
  parseCall,
  parseInspection,
  parseLogLines,
  parseProgress,
} from './check-frames.ts'
import type { SandboxProcess } from './sandbox-process.ts'

/** How often memory and CPU are looked at from outside. */
const watchEveryMs = 25
/** After its own deadline the process gets this long to say so itself, with the script's line. */
const graceMs = 250
/** Resident memory beyond the heap's limit: the process itself, and off-heap memory within reason. */
const memoryAllowanceBytes = 256 * 1024 ** 2
/** Host calls one script may have open; the guest holds itself to 8. */
const maxCallsInFlight = 16

export interface GuestRun {
  readonly kind: typeof frameKinds.job | typeof frameKinds.inspect
  readonly requestText: string
  readonly limits: SandboxLimits
  readonly host?: SandboxHost
  readonly signal?: AbortSignal
}

/** How a guest ended; `isReusable` false means the process must go. */
export type GuestEnd =
  | { readonly kind: 'done'; readonly text: string }
  | { readonly kind: 'inspected'; readonly text: string }
  | { readonly kind: 'failed'; readonly error: SandboxError }
  | { readonly kind: 'aborted' }

export interface GuestReport {
  readonly end: GuestEnd
  readonly usage: SandboxUsage
}

/**
 * Runs one guest in a process and watches it from outside: wall time, CPU, memory, and the frames
 * it sends. Whatever goes wrong ends in a killed process and a named error; never rejects.
 */
export function runGuest(process: SandboxProcess, run: GuestRun): Promise<GuestReport> {
  return new Promise((resolve) => {
    const { limits } = run
    const startedAt = performance.now()
    const before = process.usage()
    let peakBytes = before?.residentBytes ?? 0
    let cpuMs = 0
    let isOver = false
    let callsInFlight = 0
    let logLines = 0
    const calls = new AbortController()

    const finish = (end: GuestEnd) => {
      if (isOver) return
      isOver = true
      clearInterval(watch)
      clearTimeout(deadline)
      run.signal?.removeEventListener('abort', onAbort)
      process.onFrame = () => undefined
      process.onGarbage = () => undefined
      calls.abort(new Error('the job has ended'))
      look()
      resolve({
        end,
        usage: { wallMs: performance.now() - startedAt, cpuMs, peakMemoryBytes: peakBytes },
      })
    }
    const fail = (code: string, message: string) => {
      finish({
        kind: 'failed',
        error: { code, name: '', message, line: null, column: null, stack: '' },
      })
    }
    const killAndFail = (code: string, message: string) => {
      process.kill()
      fail(code, message)
    }
    const look = () => {
      const now = process.usage()
      if (!now) return
      peakBytes = Math.max(peakBytes, now.residentBytes)
      cpuMs = now.cpuMs - (before?.cpuMs ?? 0)
    }
    const watch = setInterval(() => {
      look()
      if (peakBytes > limits.memoryBytes + memoryAllowanceBytes) {
        killAndFail('memory_limit', memoryMessage(limits))
      } else if (cpuMs > limits.cpuMs) {
        killAndFail(
          'cpu_limit',
          `cpu limit: the script used more than ${limits.cpuMs / 1000} s of CPU`,
        )
      }
    }, watchEveryMs)
    const deadline = setTimeout(() => {
      killAndFail(
        'timeout',
        `execution timeout: the job took longer than ${limits.timeoutMs / 1000} s`,
      )
    }, limits.timeoutMs + graceMs)
    const onAbort = () => {
      process.kill()
      finish({ kind: 'aborted' })
    }

    const onCall = (frame: Frame) => {
      const call = parseCall(frame.text)
      if (!call || !run.host || ++callsInFlight > maxCallsInFlight) {
        killAndFail('sandbox_crashed', 'the sandbox made a call that is none')
        return
      }
      run.host.call(call.operation, call.argumentsText, calls.signal).then(
        (text) => answer(frameKinds.reply, frame.id, text),
        (error: unknown) => answer(frameKinds.refusal, frame.id, refusalText(error)),
      )
    }
    const answer = (kind: number, id: number, text: string) => {
      callsInFlight -= 1
      if (!isOver) process.send(kind, id, text)
    }
    const onLog = (lines: readonly LogLine[] | undefined) => {
      logLines += lines?.length ?? 0
      // One more than the limit: the line that tells how many were dropped.
      if (!lines || logLines > limits.logLines + 1) {
        killAndFail('sandbox_crashed', 'the sandbox broke the limit of its log')
      } else run.host?.log(lines)
    }

    process.onGarbage = (reason) => fail('sandbox_crashed', `the sandbox sent garbage: ${reason}`)
    process.onFrame = (frame) => {
      if (isOver) return
      switch (frame.kind) {
        case frameKinds.call:
          return onCall(frame)
        case frameKinds.log:
          return onLog(parseLogLines(frame.text))
        case frameKinds.progress: {
          const progress = parseProgress(frame.text)
          if (progress) run.host?.progress(...progress)
          return
        }
        case frameKinds.done:
          return run.kind === frameKinds.job && isJson(frame.text)
            ? finish({ kind: 'done', text: frame.text })
            : killAndFail('sandbox_crashed', 'the sandbox sent a result that is none')
        case frameKinds.inspected:
          return finish({ kind: 'inspected', text: frame.text })
        case frameKinds.failed: {
          const error = parseJson(frame.text)
          return isSandboxError(error)
            ? finish({ kind: 'failed', error })
            : killAndFail('sandbox_crashed', 'the sandbox sent an error that is none')
        }
        default:
          return killAndFail('sandbox_crashed', 'the sandbox sent a frame of an unknown kind')
      }
    }
    void process.exited.then(({ code, signal }) => {
      const isMemory = /out of memory|bad_alloc|allocation failed/i.test(process.stderr)
      if (isMemory) fail('memory_limit', memoryMessage(limits))
      else
        fail(
          'sandbox_crashed',
          `the sandbox process ended unexpectedly (${signal ?? `exit ${code}`})`,
        )
    })

    if (run.signal?.aborted) {
      onAbort()
      return
    }
    run.signal?.addEventListener('abort', onAbort, { once: true })
    process.send(run.kind, 0, run.requestText)
  })
}

const memoryMessage = (limits: SandboxLimits) =>
  `memory limit: the script used more than ${Math.round(limits.memoryBytes / 1024 ** 2)} MB`

/** A failed host call as text: only a code and a message cross over. */
function refusalText(error: unknown): string {
  const { code, message } = (typeof error === 'object' && error !== null ? error : {}) as {
    code?: unknown
    message?: unknown
  }
  return JSON.stringify({
    code: typeof code === 'string' && /^[a-z_]{1,40}$/.test(code) ? code : 'datasource_error',
    message: typeof message === 'string' ? message.slice(0, 8192) : 'the call failed',
  })
}

const isJson = (text: string) => parseJson(text) !== undefined

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The outcome of a job's guest for the executor. */
export function toOutcome({ end, usage }: GuestReport): SandboxOutcome {
  switch (end.kind) {
    case 'done':
      return { status: 'completed', resultText: end.text, usage }
    case 'failed':
      return { status: 'failed', error: end.error, usage }
    case 'aborted':
      return { status: 'aborted', usage }
    case 'inspected':
      return { status: 'failed', error: crashed('the sandbox answered another question'), usage }
  }
}

/** The outcome of an inspection. */
export function toInspection({ end }: GuestReport, isTypeScript: boolean): InspectionOutcome {
  if (end.kind === 'failed') return { status: 'failed', error: end.error }
  const inspection = end.kind === 'inspected' ? parseInspection(end.text, isTypeScript) : undefined
  return inspection
    ? { status: 'ok', inspection }
    : { status: 'failed', error: crashed('the sandbox gave no definition') }
}

const crashed = (message: string): SandboxError => ({
  code: 'sandbox_crashed',
  name: '',
  message,
  line: null,
  column: null,
  stack: '',
})
