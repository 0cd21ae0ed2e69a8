import type { ServiceManager } from '../config/index.ts'
import { messageOf } from '../errors/index.ts'
import type { Logger } from '../log/index.ts'
import { runProgram } from '../os/index.ts'
import { Loop } from './service-part.ts'

/**
 * Tells systemd how the service does, through `systemd-notify`, since Node has no datagram sockets
 * of the unix domain. Does nothing when systemd did not ask.
 */
export class SystemdNotifier {
  private readonly manager: ServiceManager | undefined
  private readonly log: Logger
  private watchdog: Loop | undefined
  private hasFailed = false
  private last: Promise<void> = Promise.resolve()

  constructor(manager: ServiceManager | undefined, log: Logger) {
    this.manager = manager
    this.log = log
  }

  async ready(status: string): Promise<void> {
    await this.send('READY=1', `STATUS=${status}`)
  }

  async status(status: string): Promise<void> {
    await this.send(`STATUS=${status}`)
  }

  async stopping(status: string): Promise<void> {
    await this.send('STOPPING=1', `STATUS=${status}`)
  }

  /** Says "alive" twice per watchdog interval, while `isAlive`. */
  watch(isAlive: () => Promise<boolean>): void {
    const { watchdogMs } = this.manager ?? {}
    if (watchdogMs === undefined) return
    this.watchdog = new Loop(watchdogMs / 2, async () => {
      if (await isAlive()) await this.send('WATCHDOG=1')
      else this.log.error({}, 'a loop stands still: the watchdog is not fed')
    })
    this.watchdog.start()
  }

  async stop(): Promise<void> {
    await this.watchdog?.stop()
  }

  /** One after the other: each is a process, and the last word must be the last to arrive. */
  private send(...lines: readonly string[]): Promise<void> {
    this.last = this.last.then(() => this.sendNow(lines))
    return this.last
  }

  private async sendNow(lines: readonly string[]): Promise<void> {
    if (!this.manager) return
    try {
      const { exitCode, stderr } = await runProgram('systemd-notify', lines, {
        environment: { PATH: '/usr/bin:/bin', NOTIFY_SOCKET: this.manager.notifySocket },
        timeoutMs: 5000,
      })
      if (exitCode !== 0) throw new Error(stderr.trim() || `it ended with ${exitCode}`)
    } catch (error) {
      // Without it the service works; systemd says by itself what it misses. Once is enough.
      if (!this.hasFailed) this.log.warn({ error: messageOf(error) }, 'systemd-notify failed')
      this.hasFailed = true
    }
  }
}
