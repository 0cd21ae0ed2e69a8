import { type Confiner, confinedArgv } from '../confine/index.ts'
import { execLine } from '../units/index.ts'

/** How a sandbox process is started. */
export interface StartCommand {
  readonly file: string
  readonly args: readonly string[]
  /** Other processes stand between the one that is started and the one that runs scripts. */
  readonly isConfined: boolean
}

export interface StartCommandOptions {
  readonly nodePath: string
  readonly entryPath: string
  /** The largest isolate that a job may ask for. */
  readonly maxMemoryBytes: number
  /** CPU time after which the kernel ends the process. */
  readonly cpuSeconds: number
  /** What gives it a view of the machine of its own; undefined leaves it the one we have. */
  readonly confiner?: Confiner | undefined
}

/**
 * V8 reserves 512 MB for the code of each isolate, which count as data though nothing is in them:
 * Node and one script's isolate come to 1.1 GB before the script has begun (measured, Node 24).
 */
const reservedBytes = 1.25 * 1024 ** 3

/** Of the Node that a sandbox is. */
export const nodeFlags = [
  // isolated-vm's README asks for it: with the start-up snapshot new isolates may crash.
  '--no-node-snapshot',
  // Stripping types is announced as experimental on stderr, once a process.
  '--disable-warning=ExperimentalWarning',
  // The process itself only passes frames of at most 64 MB on.
  '--max-old-space-size=256',
  // A process that grows with the jobs it has run has to be replaced sooner. These keep it at 18 MB
  // where it came to 32: new space doubles when a little survives in it (that of scripts is as it was,
  // see main.ts), and what V8's middle compiler uses for a moment stays with malloc. A script of a few
  // milliseconds is 15 % faster without that compiler, one of thirty as much slower.
  '--no-maglev',
  '--max-semi-space-size=2',
]

/**
 * A shell that lowers its limits and becomes Node. They are the last wall, for when the executor
 * that watches is gone:
 * - `-c 0`: a crash leaves no core file with a script's data in it;
 * - `-f 0`: no file can grow; behind unshare it comes with the view, which needs a file to be put up;
 * - `-n 64`: Node uses about 25 descriptors;
 * - `-d`: private memory, past which allocation fails; address space (`-v`) would have to leave room
 *   for gigabytes that V8 and WebAssembly only reserve;
 * - `-t`: CPU time; the soft limit's signal tells it from other ends.
 */
export async function startCommand(options: StartCommandOptions): Promise<StartCommand> {
  // Twice the heap: a collection in flight holds old and new copies.
  const dataKilobytes = Math.ceil((reservedBytes + 2 * options.maxMemoryBytes) / 1024)
  // The isolate that is prepared before the first job.
  const memory = String(options.maxMemoryBytes)
  const script = [
    // A lower limit that is already set stands.
    'ulimit -c 0',
    ...(options.confiner?.kind === 'unshare' ? [] : ['ulimit -f 0']),
    'ulimit -n 64',
    `ulimit -d ${dataKilobytes} 2>/dev/null || true`,
    `ulimit -S -t ${options.cpuSeconds} 2>/dev/null || true`,
    `ulimit -H -t ${options.cpuSeconds + 5} 2>/dev/null || true`,
    execLine,
  ].join('\n')
  return {
    file: '/bin/sh',
    args: ['-c', script, ...(await argvOf(options, [memory]))],
    isConfined: options.confiner !== undefined,
  }
}

async function argvOf(options: StartCommandOptions, args: readonly string[]): Promise<string[]> {
  const { nodePath, entryPath, confiner } = options
  if (!confiner) return [nodePath, ...nodeFlags, entryPath, ...args]
  const packages = ['isolated-vm']
  return confinedArgv(confiner, { nodePath, flags: nodeFlags, entryPath, args, packages })
}
