import ivm from 'isolated-vm'
import type { Script, SandboxError, SandboxLimits } from '../contract.ts'
import { frameKinds } from '../frames.ts'
import bootstrap from './bootstrap.guest.js'
import { GuestLog } from './guest-log.ts'
import { compileScript } from './compile-script.ts'
import { scriptError } from './script-error.ts'

/** What the executor sends to start a guest. */
export interface GuestRequest {
  readonly script: Script
  readonly parametersText: string
  /** JSON text of the script's context. */
  readonly contextText: string
  readonly limits: SandboxLimits
}

export interface GuestOptions {
  readonly send: (kind: number, id: number, text: string) => void
  readonly isInspection: boolean
  readonly onEnd: () => void
}

interface GuestApi {
  readonly define: ivm.Reference
  readonly inspect: ivm.Reference
  readonly run: ivm.Reference
  readonly deliver: ivm.Reference
}

/** Limits inside the guest that are no settings: each bounds what one call can make us hold. */
const guestConfig = {
  argumentChars: 16_000_000,
  callsInFlight: 8,
  errorChars: 8192,
  lineChars: 8192,
  definitionChars: 1_000_000,
}

/** Codes that the bootstrap or a host call may give an error; others are the script's own. */
const codePattern = /^[a-z_]{1,40}$/

/** One script in one fresh isolate. Every entry into it has the remaining time as its limit. */
export class Guest {
  private readonly request: GuestRequest
  private readonly options: GuestOptions
  private readonly isolate: ivm.Isolate
  private readonly log: GuestLog
  private readonly deadline: number
  private readonly wallTimer: NodeJS.Timeout
  private readonly sleeps = new Set<NodeJS.Timeout>()
  private api: GuestApi | undefined
  private runningMs = 0
  private terminal: (() => void) | undefined
  private isOver = false

  constructor(request: GuestRequest, options: GuestOptions) {
    const { limits } = request
    this.request = request
    this.options = options
    this.log = new GuestLog(limits, options.send)
    this.deadline = performance.now() + limits.timeoutMs
    this.wallTimer = setTimeout(() => this.timeOut(), limits.timeoutMs)
    // No onCatastrophicError: with it, a guest that exhausts the heap beyond rescue leaves this
    // thread asleep for ever; without, the process aborts at once and the executor names the cause.
    this.isolate = new ivm.Isolate({
      memoryLimit: Math.max(8, Math.ceil(limits.memoryBytes / 1024 ** 2)),
    })
  }

  start(): void {
    const { script } = this.request
    try {
      const context = this.isolate.createContextSync()
      this.api = this.bootstrap(context)
      const module = this.enter((timeout) => compileScript(this.isolate, context, script, timeout))
      const isAnalysis = this.enter((timeout) =>
        this.api?.define.applySync(undefined, [module.namespace.derefInto()], { timeout }),
      )
      if (isAnalysis === true) {
        const { api } = this
        this.enter((timeout) =>
          this.options.isInspection
            ? api.inspect.applySync(undefined, [], { timeout })
            : api.run.applySync(
                undefined,
                [this.request.contextText, this.request.parametersText],
                {
                  timeout,
                },
              ),
        )
      }
    } catch (error) {
      this.failWith(error)
    }
    this.settle()
  }

  deliver(id: number, isOk: boolean, text: string): void {
    if (this.isOver || !this.api) return
    const { deliver } = this.api
    try {
      this.enter((timeout) => deliver.applySync(undefined, [id, isOk, text], { timeout }))
    } catch (error) {
      this.failWith(error)
    }
    this.settle()
  }

  private bootstrap(context: ivm.Context): GuestApi {
    const post = new ivm.Callback((kind: unknown, id: unknown, text: unknown) => {
      this.onPost(String(kind), Number(id) >>> 0, String(text))
    })
    const config = { ...guestConfig, logLines: this.request.limits.logLines }
    const api = context.evalClosureSync(bootstrap, [post, config], {
      result: { reference: true },
      arguments: { copy: true },
      filename: 'kiln:bootstrap',
    }) as ivm.Reference
    const method = (name: string) => api.getSync(name, { reference: true }) as ivm.Reference
    return {
      define: method('define'),
      inspect: method('inspect'),
      run: method('run'),
      deliver: method('deliver'),
    }
  }

  /** Runs guest code under the time that is left, and counts it as the script's running time. */
  private enter<T>(work: (timeout: number) => T): T {
    const startedAt = performance.now()
    const left = Math.min(this.deadline - startedAt, this.request.limits.runningMs - this.runningMs)
    try {
      return work(Math.max(1, Math.ceil(left)))
    } finally {
      this.runningMs += performance.now() - startedAt
    }
  }

  private onPost(kind: string, id: number, text: string): void {
    if (this.isOver) return
    const { send } = this.options
    if (kind === 'log') this.log.add(id, text)
    else if (kind === 'progress') send(frameKinds.progress, 0, text)
    else if (kind === 'call:sleep') this.sleep(id, text)
    else if (kind.startsWith('call:')) {
      this.log.flush()
      send(frameKinds.call, id, JSON.stringify({ operation: kind.slice(5), arguments: text }))
    } else this.onTerminal(kind, text)
  }

  /** The first one counts; it is sent when the guest has been left. */
  private onTerminal(kind: string, text: string): void {
    if (this.terminal) return
    if (kind === 'done') this.terminal = () => this.complete(text)
    else if (kind === 'inspected') {
      this.terminal = () => this.end(frameKinds.inspected, text)
    } else if (kind === 'failed') this.terminal = () => this.failWith(JSON.parse(text))
  }

  private settle(): void {
    this.terminal?.()
    if (!this.isOver) this.log.flush()
  }

  private complete(text: string): void {
    const { resultBytes } = this.request.limits
    const size = Buffer.byteLength(text)
    if (size <= resultBytes) this.end(frameKinds.done, text)
    else {
      this.fail({
        code: 'result_too_large',
        message: `the result has ${size} bytes, at most ${resultBytes} are allowed: aggregate it, or write it to a table`,
      })
    }
  }

  private sleep(id: number, text: string): void {
    const { ms } = JSON.parse(text) as { ms: number | null }
    const timer = setTimeout(
      () => {
        this.sleeps.delete(timer)
        this.deliver(id, true, 'null')
      },
      // Past the deadline the wall timer ends the script anyway.
      Math.min(Math.max(0, ms ?? 0), this.request.limits.timeoutMs + 1000),
    )
    this.sleeps.add(timer)
  }

  private timeOut(): void {
    const { timeoutMs } = this.request.limits
    this.fail({
      code: 'timeout',
      message: `execution timeout: the job took longer than ${timeoutMs / 1000} s`,
    })
  }

  private failWith(thrown: unknown): void {
    const about = thrown as { name?: string; message?: string; stack?: string; code?: string }
    const message = String(about?.message ?? thrown)
    const { limits, script } = this.request
    if (message === 'Script execution timed out.') {
      const isWall = performance.now() >= this.deadline - 1
      if (isWall) this.timeOut()
      else {
        this.fail({
          code: 'timeout',
          message: `execution timeout: the script ran longer than ${limits.runningMs / 1000} s`,
        })
      }
    } else if (
      /disposed|memory limit/i.test(message) ||
      /Array buffer allocation failed/.test(message)
    ) {
      this.fail({
        code: 'memory_limit',
        message: `memory limit: the script used more than ${Math.round(limits.memoryBytes / 1024 ** 2)} MB`,
      })
    } else {
      const code = codePattern.test(about?.code ?? '') ? String(about.code) : 'script_error'
      this.fail(scriptError(code, { ...pick(about), message }, script.filename))
    }
  }

  private fail(error: Partial<SandboxError> & { code: string; message: string }): void {
    this.end(
      frameKinds.failed,
      JSON.stringify({ name: '', line: null, column: null, stack: '', ...error }),
    )
  }

  private end(kind: number, text: string): void {
    if (this.isOver) return
    this.isOver = true
    clearTimeout(this.wallTimer)
    for (const timer of this.sleeps) clearTimeout(timer)
    this.log.close()
    this.options.send(kind, 0, text)
    this.options.onEnd()
    setImmediate(() => {
      try {
        this.isolate.dispose()
      } catch {
        // Disposed already, by its memory limit.
      }
    })
  }
}

const pick = (about: { name?: string; stack?: string } | undefined) => ({
  ...(about?.name === undefined ? {} : { name: String(about.name) }),
  ...(about?.stack === undefined ? {} : { stack: String(about.stack) }),
})
