import { type ChildProcessByStdio, spawn } from 'node:child_process'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { sharedDataFolder } from './temporary-folder.ts'
import { waitUntil } from './wait-until.ts'

const binary = path.resolve(import.meta.dirname, '../../bin/kiln')

export interface KilnOptions {
  /** It leads a process group of its own, as a command of an interactive shell does. */
  readonly isGroup?: boolean
  /** Added to a clean environment; there is no DATABASE_URL unless given here. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Working folder; by default one without `.env` files. */
  readonly cwd?: string
  /** Text for standard input, which otherwise is empty. */
  readonly input?: string
  /** `open` leaves standard input open, as a terminal or a `while read` loop would. */
  readonly stdin?: 'closed' | 'open'
  /** SIGKILL and failure after this long; 90 s. */
  readonly timeoutMs?: number
  /** As root: the account to run as. */
  readonly uid?: number
  readonly gid?: number
}

export interface KilnResult {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunningKiln {
  readonly pid: number
  readonly stdin: Writable
  /** What it has printed so far. */
  readonly stdout: string
  readonly stderr: string
  /** Settles when it has ended and its output is complete. */
  readonly exited: Promise<KilnResult>
  kill(signal?: NodeJS.Signals): void
  /** Resolves once stdout or stderr matches; fails with both when it ends or the time is over. */
  waitForOutput(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>
}

/** Runs the built program to its end. */
export async function runKiln(
  args: readonly string[],
  options: KilnOptions = {},
): Promise<KilnResult> {
  const kiln = startKiln(args, options)
  if (options.stdin !== 'open') kiln.stdin.end(options.input ?? '')
  else if (options.input !== undefined) kiln.stdin.write(options.input)
  const timeoutMs = options.timeoutMs ?? 90_000
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    kiln.kill('SIGKILL')
  }, timeoutMs)
  const result = await kiln.exited
  clearTimeout(timer)
  if (isLate) {
    throw new Error(
      `kiln ${args.join(' ')} did not end within ${timeoutMs / 1000} s\n${textOf(result)}`,
    )
  }
  return result
}

/** Starts the built program; the caller ends it. */
export function startKiln(args: readonly string[], options: KilnOptions = {}): RunningKiln {
  const dataFolder = sharedDataFolder()
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(binary, args, {
    cwd: options.cwd ?? dataFolder,
    env: {
      PATH: process.env.PATH,
      HOME: dataFolder,
      LANG: 'C.UTF-8',
      ANALYSIS_DATA_DIR: dataFolder,
      ...options.env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
    detached: options.isGroup ?? false,
  })
  let stdout = ''
  let stderr = ''
  let hasEnded = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  // A command that ends without reading its input is right to do so.
  child.stdin.on('error', () => undefined)
  const exited = new Promise<KilnResult>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (exitCode, signal) => {
      hasEnded = true
      resolve({ exitCode, signal, stdout, stderr })
    })
  })
  return {
    pid: child.pid ?? -1,
    stdin: child.stdin,
    get stdout() {
      return stdout
    },
    get stderr() {
      return stderr
    },
    exited,
    kill: (signal = 'SIGTERM') => void child.kill(signal),
    async waitForOutput(pattern, timeoutMs) {
      const find = (): RegExpExecArray | null => pattern.exec(stdout) ?? pattern.exec(stderr)
      const settled = (): RegExpExecArray | 'ended' | null => find() ?? (hasEnded ? 'ended' : null)
      const found = await waitUntil(`kiln prints ${pattern}`, settled, timeoutMs).catch(
        (error: unknown) => {
          throw new Error(`${String(error)}\n${textOf({ stdout, stderr })}`)
        },
      )
      if (found !== 'ended') return found
      throw new Error(`kiln ended without printing ${pattern}\n${textOf({ stdout, stderr })}`)
    },
  }
}

const textOf = (output: { readonly stdout: string; readonly stderr: string }): string =>
  `stdout:\n${output.stdout}\nstderr:\n${output.stderr}`
