import { readFileSync } from 'node:fs'
import type { AttemptResults, Attempts, ProbeRequest } from './probe/attempts.ts'
import { frameKinds } from './frames.ts'
import { type ProcessExit, type SandboxProcess, exitOf } from './sandbox-process.ts'
import { type WallStats, Walls } from './walls.ts'

export interface ProbeOptions {
  readonly nodePath: string
  /** The built entry file of the probe. */
  readonly entryPath: string
  readonly maxMemoryBytes: number
  readonly attempts: Attempts
  /** What to take beyond the limit of the kernel. */
  readonly allocateBytes: number
}

/** What the kernel says of a process, from outside. */
export interface Privileges {
  readonly uid: number
  readonly canGainPrivileges: boolean
  readonly capabilities: string
}

export interface ProbeResults {
  readonly walls: WallStats
  readonly attempts: AttemptResults
  /** Undefined where there is no /proc. */
  readonly privileges: Privileges | undefined
  /** `done`, the error's code, or how the process ended. */
  readonly allocate: string
  readonly spin: string
}

/** Long enough for a busy machine; a probe that is not ended by then is not ended at all. */
const trialMs = 15_000
/** The least the kernel counts; and enough for what is not about CPU. */
const spinSeconds = 1
const otherSeconds = 60

/**
 * Starts processes exactly like sandboxes and has each try what it must not be able to. Takes about a
 * second of CPU time.
 *
 * @throws SandboxUnavailableError when none starts.
 */
export async function probeWalls(options: ProbeOptions): Promise<ProbeResults> {
  const walls = new Walls()
  const trial = async (request: ProbeRequest): Promise<Trial> => {
    const cpuSeconds = request.kind === 'spin' ? spinSeconds : otherSeconds
    const { process } = await walls.start({ ...options, cpuSeconds })
    try {
      return { privileges: privilegesOf(process.pid), answer: await ask(process, request) }
    } finally {
      await process.kill()
    }
  }
  const first = await trial({ kind: 'try', ...options.attempts })
  if (typeof first.answer === 'string') throw new Error(`the probe broke: ${first.answer}`)
  const [allocate, spin] = await Promise.all([
    trial({ kind: 'allocate', bytes: options.allocateBytes }),
    trial({ kind: 'spin' }),
  ])
  return {
    walls: walls.stats(),
    attempts: first.answer,
    privileges: first.privileges,
    allocate: textOf(allocate.answer),
    spin: textOf(spin.answer),
  }
}

/** Only the first trial answers with more than a text. */
const textOf = (answer: AttemptResults | string): string =>
  typeof answer === 'string' ? answer : 'an answer to another question'

interface Trial {
  readonly privileges: Privileges | undefined
  readonly answer: AttemptResults | string
}

async function ask(
  process: SandboxProcess,
  request: ProbeRequest,
): Promise<AttemptResults | string> {
  let timer: NodeJS.Timeout | undefined
  const answered = new Promise<AttemptResults | string>((resolve) => {
    process.onFrame = ({ text }) => resolve(JSON.parse(text) as AttemptResults | string)
    timer = setTimeout(() => resolve('done'), trialMs)
  })
  process.send(frameKinds.request, 1, JSON.stringify(request))
  const ended = process.exited.then((exit: ProcessExit) => exitOf(exit))
  const answer = await Promise.race([answered, ended])
  clearTimeout(timer)
  return answer
}

function privilegesOf(pid: number): Privileges | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const field = (name: string) => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? ''
    return {
      uid: Number(field('Uid')),
      canGainPrivileges: field('NoNewPrivs') !== '1',
      capabilities: field('CapEff'),
    }
  } catch {
    // Not Linux.
    return undefined
  }
}
