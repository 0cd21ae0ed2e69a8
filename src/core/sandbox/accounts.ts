import { SandboxProcess } from './sandbox-process.ts'
import type { StartCommand } from './start-command.ts'

/** Under which account scripts run. `shared` means: what a script breaks out of is ours. */
export interface AccountStats {
  readonly kind: 'own' | 'shared' | 'unknown'
  /** Why it is shared; null otherwise. */
  readonly reason: string | null
}

/**
 * A range that neither distributions nor systemd hand out to anyone else for long, and that exists
 * in a container with 65,536 ids: systemd's dynamic users, which avoid ids in use.
 */
const firstUid = 61_184
const uidCount = 4000

/**
 * Hands out numeric accounts, one to each process, so that scripts that break out of two sandboxes
 * can neither reach each other nor us. Only root can; and only where such an account can read Node
 * and the program, which starting one tells best (a package under /root cannot be read by others).
 */
export class Accounts {
  private readonly used = new Set<number>()
  private sharedReason: string | null =
    process.getuid?.() === 0 ? null : 'only root can give each sandbox an account of its own'
  private hasOwn = false
  // Executors on one machine begin at different numbers; meeting one is unlikely, and harmless.
  private next = (process.pid * 31) % uidCount

  async start(
    command: StartCommand,
  ): Promise<{ readonly process: SandboxProcess; readonly uid: number | undefined }> {
    if (this.sharedReason === null) {
      const uid = this.take()
      try {
        const started = await SandboxProcess.start({ command, uid })
        this.hasOwn = true
        return { process: started, uid }
      } catch (error) {
        this.free(uid)
        if (this.hasOwn) throw error
        // If it does not start as ourselves either, that error is the one to tell.
        const shared = await SandboxProcess.start({ command, uid: undefined })
        this.sharedReason = `another account cannot start it (${error instanceof Error ? error.message : String(error)})`
        return { process: shared, uid: undefined }
      }
    }
    return { process: await SandboxProcess.start({ command, uid: undefined }), uid: undefined }
  }

  free(uid: number | undefined): void {
    if (uid !== undefined) this.used.delete(uid)
  }

  stats(): AccountStats {
    if (this.sharedReason !== null) return { kind: 'shared', reason: this.sharedReason }
    return { kind: this.hasOwn ? 'own' : 'unknown', reason: null }
  }

  private take(): number {
    do {
      this.next = (this.next + 1) % uidCount
    } while (this.used.has(firstUid + this.next))
    this.used.add(firstUid + this.next)
    return firstUid + this.next
  }
}
