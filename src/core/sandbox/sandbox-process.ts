import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { execLine } from '../units/index.ts'
import { type Frame, FrameReader, encodeFrame, frameKinds } from './frames.ts'
import { type ProcessUsage, readProcessUsage } from './process-usage.ts'

export interface SandboxProcessOptions {
  readonly nodePath: string
  readonly entryPath: string
  /** Largest heap any job may ask for; bounds the data segment. */
  readonly memoryBytes: number
  /** Numeric account without rights, when the caller may choose one. */
  readonly uid?: number
}

/** Node and V8 themselves, the TypeScript parser's memory and the text of frames. */
const ownDataBytes = 1024 ** 3
/** A start takes 60 ms; on a machine that swaps it may take seconds. */
const startTimeoutMs = 20_000
const keptStderrChars = 4000

export interface ExitInfo {
  readonly code: number | null
  readonly signal: string | null
}

/**
 * A child process that runs guests: empty environment, no files, two pipes. Knows nothing of jobs;
 * hands on frames and tells when it ended.
 */
export class SandboxProcess {
  readonly exited: Promise<ExitInfo>
  readonly ready: Promise<void>
  onFrame: (frame: Frame) => void = () => undefined
  /** The bytes were no frames: the process has been killed. */
  onGarbage: (reason: string) => void = () => undefined
  isGone = false
  stderr = ''
  private readonly child: ChildProcess
  private readonly input: Writable

  constructor(options: SandboxProcessOptions) {
    const limits = [
      // Off-heap memory ignores the isolate's limit; the kernel does not.
      `ulimit -d ${Math.ceil((ownDataBytes + 2 * options.memoryBytes) / 1024)}`,
      'ulimit -c 0',
      // It writes no files at all.
      'ulimit -f 0',
    ]
    this.child = spawn(
      '/bin/sh',
      [
        '-c',
        `${limits.join('; ')}; ${execLine}`,
        options.nodePath,
        // isolated-vm asks for it; the heap below is this process' own, not the guest's.
        '--no-node-snapshot',
        '--max-old-space-size=256',
        '--disable-warning=ExperimentalWarning',
        options.entryPath,
      ],
      {
        env: {},
        cwd: '/',
        stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
        ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
      },
    )
    this.input = this.child.stdio[3] as Writable
    // Writing to a process that has just died is told by its exit.
    this.input.on('error', () => undefined)
    this.child.stderr?.on('data', (chunk: Buffer) => {
      if (this.stderr.length < keptStderrChars) this.stderr += chunk.toString('utf8')
    })
    this.exited = new Promise((resolve) => {
      const end = (code: number | null, signal: string | null) => {
        this.isGone = true
        resolve({ code, signal })
      }
      this.child.on('exit', end)
      this.child.on('error', (error) => {
        this.stderr += error.message
        end(null, null)
      })
    })
    this.ready = this.read(this.child.stdio[4] as Readable)
    // Whoever waits for it handles the failure; a spare that nobody waits for must not crash us.
    this.ready.catch(() => undefined)
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  send(kind: number, id: number, text: string): void {
    if (!this.isGone) this.input.write(encodeFrame(kind, id, text))
  }

  usage(): ProcessUsage | undefined {
    return this.child.pid === undefined ? undefined : readProcessUsage(this.child.pid)
  }

  /** Ends it now; nothing a guest does can delay this. */
  kill(): void {
    if (!this.isGone) this.child.kill('SIGKILL')
  }

  private read(output: Readable): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error('the sandbox process does not start'))
        this.kill()
      }, startTimeoutMs)
      const reader = new FrameReader((frame) => {
        if (frame.kind === frameKinds.ready) {
          clearTimeout(timer)
          resolve()
        } else this.onFrame(frame)
      })
      output.on('error', () => undefined)
      output.on('data', (chunk: Buffer) => {
        try {
          reader.push(chunk)
        } catch (error) {
          this.kill()
          this.onGarbage(error instanceof Error ? error.message : String(error))
        }
      })
      void this.exited.then(({ code, signal }) => {
        clearTimeout(timer)
        reject(
          new Error(
            `the sandbox process ended at its start (${signal ?? code}): ${this.stderr.trim()}`,
          ),
        )
      })
    })
  }
}
