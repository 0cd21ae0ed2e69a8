import {
  type Confiner,
  type ConfinerKind,
  confinerKinds,
  findConfiner,
  freeAccount,
  takeAccount,
} from '../confine/index.ts'
import { SandboxProcess } from './sandbox-process.ts'
import { type StartCommandOptions, startCommand } from './start-command.ts'

/** Which walls of the operating system stand around sandboxes. Each `unknown` until one has started. */
export interface WallStats {
  /** `shared` means: what a script breaks out of runs as our account. */
  readonly account: {
    readonly kind: 'own' | 'shared' | 'unknown'
    /** Why it is shared; null otherwise. */
    readonly reason: string | null
  }
  /** What closes network, files and other processes; `none` leaves them to the account. */
  readonly view: {
    readonly kind: ConfinerKind | 'none' | 'unknown'
    /** Why there is none; null otherwise. */
    readonly reason: string | null
  }
}

interface Choice {
  readonly hasOwnAccount: boolean
  readonly confiner: Confiner | undefined
}

interface Started {
  readonly process: SandboxProcess
  readonly uid: number | undefined
}

interface Options extends Omit<StartCommandOptions, 'confiner'> {
  /** What may be tried; all unless told. */
  readonly confiners?: readonly ConfinerKind[] | undefined
}

/**
 * Starts sandbox processes behind the strongest walls that work on this host. Starting one tells
 * best whether they do: a container may forbid namespaces, and an account of its own cannot read a
 * package under /root. The first start tries; all others do the same.
 */
export class Walls {
  private choice: Choice | undefined
  private deciding: Promise<unknown> | undefined
  private accountReason: string | null = null
  private viewReason: string | null = null

  /** @throws SandboxUnavailableError when a process does not start behind any. */
  async start(options: Options): Promise<Started> {
    while (!this.choice) {
      if (!this.deciding) return this.decide(options)
      // A failed one has told its own caller; this one tries again.
      await this.deciding.catch(() => undefined)
    }
    return startBehind(this.choice, options)
  }

  stats(): WallStats {
    if (!this.choice) {
      const unknown = { kind: 'unknown', reason: null } as const
      return { account: unknown, view: unknown }
    }
    const { hasOwnAccount, confiner } = this.choice
    return {
      account: { kind: hasOwnAccount ? 'own' : 'shared', reason: this.accountReason },
      view: { kind: confiner?.kind ?? 'none', reason: confiner ? null : this.viewReason },
    }
  }

  private decide(options: Options): Promise<Started> {
    const deciding = this.tryAll(options)
    this.deciding = deciding.finally(() => (this.deciding = undefined))
    // Whoever waits for it looks at the choice; the error is this caller's.
    this.deciding.catch(() => undefined)
    return deciding
  }

  private async tryAll(options: Options): Promise<Started> {
    const found = await Promise.all((options.confiners ?? confinerKinds).map(findConfiner))
    const confiners = [...found.filter((confiner) => confiner !== undefined), undefined]
    const isRoot = process.getuid?.() === 0
    this.accountReason = isRoot ? null : 'only root can give each sandbox an account of its own'
    let failure: unknown
    for (const hasOwnAccount of isRoot ? [true, false] : [false]) {
      const failures: string[] = []
      for (const confiner of confiners) {
        try {
          const choice = { hasOwnAccount, confiner }
          const started = await startBehind(choice, options)
          this.choice = choice
          this.viewReason = failures.join('; ') || noConfiner
          return started
        } catch (error) {
          // If none works, the error without any wall is the one to tell.
          failure = error
          const text = error instanceof Error ? error.message : String(error)
          failures.push(confiner ? `${confiner.kind}: ${text}` : text)
        }
      }
      this.accountReason = `another account cannot start it (${failures.at(-1) ?? ''})`
    }
    throw failure
  }
}

const noConfiner =
  process.platform === 'linux'
    ? 'neither bwrap nor unshare is installed'
    : 'bwrap and unshare exist on Linux only'

async function startBehind(choice: Choice, options: Options): Promise<Started> {
  const command = await startCommand({ ...options, confiner: choice.confiner })
  const uid = choice.hasOwnAccount ? takeAccount() : undefined
  try {
    const process = await SandboxProcess.start({ command, uid })
    void process.exited.then(() => freeAccount(uid))
    return { process, uid }
  } catch (error) {
    freeAccount(uid)
    throw error
  }
}
