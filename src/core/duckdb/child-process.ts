import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import { type Confiner, confinedArgv, leafOf } from '../confine/index.ts'
import { execLine } from '../units/index.ts'
import { processOverheadBytes } from './limits.ts'

export interface ChildOptions {
  readonly memoryLimitBytes: number
  readonly nodePath: string
  readonly entryPath: string
  readonly uid?: number
}

/** What surrounds a process that sees only some files. */
export interface ChildView {
  readonly confiner: Confiner
  readonly readable: readonly string[]
  readonly writable: readonly string[]
}

/** The operating system's side of a DuckDB process. */
export interface Child {
  /** Of the process itself, not of what surrounds it. */
  readonly pid: number
  readonly input: Writable
  readonly output: Readable
  /** Resolves when the process is gone, with how it went. */
  readonly gone: Promise<string>
  kill(): void
  peakMemoryBytes(): number
}

/**
 * Starts the process without our environment and with a limit on its data segment: DuckDB's own
 * memory_limit bounds its buffer manager only, and one scalar call has been seen to take 18 GB
 * under a limit of 256 MB; with the limit of the kernel the same call fails cleanly.
 */
export function startChild(options: ChildOptions): Child {
  return spawnChild(options, [options.nodePath, ...nodeFlags, options.entryPath])
}

/** The same in a view of its own, which cannot be changed once it has started. */
export async function startConfinedChild(options: ChildOptions, view: ChildView): Promise<Child> {
  const { confiner, readable, writable } = view
  const { nodePath, entryPath } = options
  const argv = await confinedArgv(confiner, {
    nodePath,
    flags: nodeFlags,
    entryPath,
    args: [],
    packages: ['@duckdb/node-bindings'],
    readable,
    writable,
  })
  return spawnChild(options, argv)
}

const nodeFlags = ['--max-old-space-size=384']

function spawnChild(options: ChildOptions, argv: readonly string[]): Child {
  const limitKb = Math.ceil((options.memoryLimitBytes + processOverheadBytes) / 1024)
  const child = spawn(
    '/bin/sh',
    ['-c', `ulimit -d ${limitKb}; ulimit -c 0; ${execLine}`, ...argv],
    {
      cwd: '/',
      // Nothing of ours, and glibc told to keep what it frees together: with an arena for each
      // thread the same loads took 160 MB more.
      env: { MALLOC_ARENA_MAX: '2' },
      // DuckDB prints profiles to stdout when told to: nobody may write into Kiln's own output.
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      // In a session of its own: what is sent to the process group of the service is not for it.
      detached: true,
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    },
  )
  const input = child.stdio[3] as Writable
  const output = child.stdio[4] as Readable
  // Writing to a process that just died: `gone` reports it.
  input.on('error', () => undefined)
  output.on('error', () => undefined)
  let peak = 0
  const innerPid = (): number => leafOf(child.pid ?? 0)
  const peakMemoryBytes = (): number => (peak = Math.max(peak, readPeak(innerPid())))
  return {
    get pid() {
      return innerPid()
    },
    input,
    output,
    gone: waitUntilGone(child),
    kill: () => {
      peakMemoryBytes()
      child.kill('SIGKILL')
    },
    peakMemoryBytes,
  }
}

function waitUntilGone(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => {
      resolve(signal === null ? `exit code ${code}` : `signal ${signal}`)
    })
  })
}

/** The kernel's own high-water mark; 0 where there is none to read. */
function readPeak(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
  } catch {
    // Not Linux, or gone already.
    return 0
  }
}
