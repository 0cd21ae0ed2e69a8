import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { leafOf } from '../confine/index.ts'
import { type Frame, FrameReader, encodeFrame, frameKinds } from './frames.ts'
import { UsageReader } from './process-usage.ts'
import { SandboxUnavailableError } from './sandbox-unavailable-error.ts'
import type { StartCommand } from './start-command.ts'

export interface SandboxProcessOptions {
  readonly command: StartCommand
  /** A numeric account of its own; undefined runs it as the caller. */
  readonly uid: number | undefined
}

/** How a process ended. */
export interface ProcessExit {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  /** The beginning of what it wrote to stderr: Node's own words, never the script's. */
  readonly errorText: string
}

/** A start takes 60 ms, and seconds on a machine that is far too busy; this is one that is stuck. */
const startTimeoutMs = 30_000
const maxErrorChars = 4096

/** A sandbox process: frames in, frames out, its end. Knows nothing of jobs. */
export class SandboxProcess {
  /** Resolves when the process is gone. */
  readonly exited: Promise<ProcessExit>
  onFrame: (frame: Frame) => void = () => undefined
  /** Called before the process is killed for what it sent. */
  onBrokenFrame: (message: string) => void = () => undefined
  /** Called when the process is gone; a promise would keep each of its listeners until then. */
  onExit: (exit: ProcessExit) => void = () => undefined
  private readonly child: ChildProcess
  private readonly input: Writable
  private readonly output: Readable & { ref?(): void; unref?(): void }
  /** As it starts: by the process and each of its pipes. */
  private isHoldingAll = true
  private usage: UsageReader | undefined
  private errorText = ''
  /** CPU time since its start, as it was read last. */
  lastCpuMs = 0
  /** How it ended; undefined while it lives. */
  exit: ProcessExit | undefined
  private isKilled = false
  private readonly isConfined: boolean
  private innerPid: number | undefined

  private constructor({ command, uid }: SandboxProcessOptions) {
    this.isConfined = command.isConfined
    this.child = spawn(command.file, command.args, {
      cwd: '/',
      // Nothing of ours: no secret, no proxy, no NODE_OPTIONS. The zone is said, since a process
      // without files cannot find the machine's: dates shall not depend on which walls stand.
      env: { TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
      // In a session of its own: a Ctrl-C, and whatever else is sent to the process group of the
      // service, is for the service alone, which waits for its scripts.
      detached: true,
      ...(uid === undefined ? {} : { uid, gid: uid }),
    })
    this.exited = this.watchExit()
    this.child.stdout?.resume()
    this.child.stderr?.setEncoding('latin1').on('data', (text: string) => {
      // The first words tell; a long trace may follow.
      this.errorText = (this.errorText + text).slice(0, maxErrorChars)
    })
    this.input = this.child.stdio[3] as Writable
    // A process that is gone answers with EPIPE; its exit tells the rest.
    this.input?.on('error', () => undefined)
    this.output = this.child.stdio[4] as Readable
    this.read()
  }

  /**
   * Starts a process and waits until it can take a job.
   *
   * @throws SandboxUnavailableError with what the process said.
   */
  static async start(options: SandboxProcessOptions): Promise<SandboxProcess> {
    const started = new SandboxProcess(options)
    let timer: NodeJS.Timeout | undefined
    const ready = new Promise<true>((resolve) => {
      started.onFrame = (frame) => frame.kind === frameKinds.ready && resolve(true)
    })
    const timeout = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), startTimeoutMs)
    })
    const outcome = await Promise.race([ready, timeout, started.exited])
    clearTimeout(timer)
    if (outcome === true) {
      if (started.watch()) return started
      await started.kill()
      throw new SandboxUnavailableError(
        'the process inside cannot be watched: no /proc/PID/children',
      )
    }
    await started.kill()
    const lines = started.errorText.trim().split('\n')
    const said = lines.find((line) => /error|denied|not found/i.test(line)) ?? lines[0] ?? ''
    const reason = outcome === false ? 'no answer' : `it ended at once (${exitOf(outcome)})`
    throw new SandboxUnavailableError(`a sandbox does not start: ${said.trim() || reason}`)
  }

  /** The process that runs scripts. */
  get pid(): number {
    return this.innerPid ?? this.child.pid ?? 0
  }

  /** False from the moment it is killed or its end has come to us as an event. */
  get isAlive(): boolean {
    return !this.exit && !this.isKilled
  }

  /** Asks the system as well, which knows of an end before the event has come to us. */
  get isRunning(): boolean {
    return (
      this.isAlive && (this.usage === undefined || this.usage.readResidentBytes() !== undefined)
    )
  }

  /** Undefined where the system does not tell, or when it is gone. */
  readResidentBytes(): number | undefined {
    return this.exit ? undefined : this.usage?.readResidentBytes()
  }

  /** Of all threads since its start; undefined where the system does not tell, or when it is gone. */
  readCpuMs(): number | undefined {
    const used = this.exit ? undefined : this.usage?.readCpuMs()
    this.lastCpuMs = used ?? this.lastCpuMs
    return used
  }

  /** Of the thread where scripts run; undefined where the system does not tell, or when it is gone. */
  readMainThreadCpuMs(): number | undefined {
    return this.exit ? undefined : this.usage?.readMainThreadCpuMs()
  }

  send(kind: number, id: number, text: string): void {
    if (!this.exit) this.input.write(encodeFrame(kind, id, text))
  }

  /** Ends the process at once, whatever it does; resolves when it is gone. */
  async kill(): Promise<void> {
    this.isKilled = true
    // Else the event of its end may never come.
    this.setHolding(true)
    if (!this.exit) this.child.kill('SIGKILL')
    await this.exited
  }

  /** Keeps the event loop of the caller alive, or not: an idle sandbox must not. */
  setHolding(isHolding: boolean): void {
    if (isHolding) {
      // Enough for a job, and done for each of them: what it sends, and its end. Without the latter a
      // command whose sandbox died would have nothing left to wait for, and end as if all were well.
      this.child.ref()
      this.output?.ref?.()
      return
    }
    const streams = this.isHoldingAll
      ? [this.child, ...this.child.stdio]
      : [this.child, this.output]
    for (const stream of streams) (stream as { unref?(): void } | null)?.unref?.()
    this.isHoldingAll = false
  }

  /** False when the process that runs scripts stands behind others and cannot be found. */
  private watch(): boolean {
    const outerPid = this.child.pid ?? 0
    this.innerPid = this.isConfined ? leafOf(outerPid) : outerPid
    if (this.isConfined && this.innerPid === outerPid) return false
    this.usage = UsageReader.open(this.innerPid)
    return true
  }

  private read(): void {
    const { output } = this
    const reader = new FrameReader((frame) => this.onFrame(frame))
    output
      ?.on('error', () => undefined)
      .on('data', (chunk: Buffer) => {
        try {
          reader.push(chunk)
        } catch (error) {
          output.destroy()
          this.onBrokenFrame(error instanceof Error ? error.message : String(error))
          void this.kill()
        }
      })
  }

  private watchExit(): Promise<ProcessExit> {
    return new Promise((resolve) => {
      const end = (exitCode: number | null, signal: NodeJS.Signals | null) => {
        if (this.exit) return
        this.usage?.close()
        const inner = this.isConfined ? signalOf(exitCode) : undefined
        const { errorText } = this
        const exit = inner
          ? { exitCode: null, signal: inner, errorText }
          : { exitCode, signal, errorText }
        this.exit = exit
        this.onExit(exit)
        resolve(exit)
      }
      this.child.once('error', (error) => {
        this.errorText += error.message
        end(null, null)
      })
      // `close` comes when the pipes have been read to their end; something that inherited a pipe
      // must not hold it up.
      this.child.once('exit', (exitCode, signal) => {
        const timer = setTimeout(end, 100, exitCode, signal)
        this.child.once('close', () => clearTimeout(timer))
      })
      this.child.once('close', end)
    })
  }
}

/** The processes around a confined one pass its end on as a shell does: 128 + N for signal N. */
function signalOf(exitCode: number | null): NodeJS.Signals | undefined {
  const entries = Object.entries(constants.signals) as [NodeJS.Signals, number][]
  return entries.find(([, number]) => exitCode === 128 + number)?.[0]
}

export const exitOf = ({ exitCode, signal }: ProcessExit): string =>
  signal === null ? `exit code ${exitCode}` : `signal ${signal}`
