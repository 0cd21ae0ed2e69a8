import { Flags } from '@oclif/core'
import { KilnCommand } from '../cli/base-command.ts'
import { durationFlag } from '../cli/flags/duration.ts'
import type { Output } from '../cli/output/output.ts'
import { settingFlags } from '../cli/setting-flags.ts'
import { checksOutput, doctorOutput, doctorSummary } from '../cli/views/doctor.ts'
import { loadSettings } from '../core/config/index.ts'
import { databaseError } from '../core/database/index.ts'
import { chooseChecks, runDoctor } from '../core/health/index.ts'

const dayMs = 86_400_000

export default class Doctor extends KilnCommand<typeof Doctor> {
  static override summary = 'Look at everything Kiln rests on, and say what mends it.'
  static override description =
    'Each check by itself, within 2 seconds, or 30 for those that start sandboxes: what one cannot see is skipped. Changes nothing without --fix, which sets file modes and gives lost jobs back; a private Postgres that was made and does not run is started. See docs/doctor.md.'
  static override examples = [
    '<%= config.bin %> doctor',
    '<%= config.bin %> doctor --only postgres --only queue.leases --json',
    '<%= config.bin %> doctor --list',
    '<%= config.bin %> doctor --only disk --fix',
  ]
  static override exitCodeHelp = [
    [0, 'all is well, as far as it could look'],
    [1, 'a check warns'],
    [2, 'a check is critical'],
  ] as const
  static override flags = {
    only: Flags.string({
      description: 'only these checks or groups; may be repeated, or be separated by commas',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'ID',
    }),
    list: Flags.boolean({ description: 'list the checks, and do not run them' }),
    fix: Flags.boolean({ description: 'mend what can be mended safely, then look again' }),
    'backup-age': durationFlag({
      description: 'newest verified backup may be so old (default 7d)',
    }),
    'snapshot-age': durationFlag({
      description: 'a transaction may keep its snapshot so long (default 1m)',
    }),
  }

  protected override get needsSchema(): boolean {
    return false
  }

  /** None is made for the sake of being looked at. */
  protected override get privateServer() {
    return 'start' as const
  }

  /** A check that holds some of a small pool, or waits, must not keep the others from theirs. */
  protected override get leastConnections(): number {
    return 8
  }

  protected async execute(): Promise<Output> {
    const { flags } = this
    const only = (flags.only ?? []).flatMap((text) => text.split(',')).map((word) => word.trim())
    const checks = chooseChecks(only)
    if (flags.list) return checksOutput(checks)
    const report = await runDoctor({
      flags: settingFlags(this.flags),
      settings: this.settings(),
      openContext: () => this.openedContext(),
      only,
      fix: Boolean(flags.fix),
      backupAgeMs: flags['backup-age'] ?? 7 * dayMs,
      snapshotAgeMs: flags['snapshot-age'] ?? 60_000,
    })
    const output = doctorOutput(report)
    this.say(doctorSummary(report))
    return output
  }

  private settings() {
    try {
      return loadSettings({ flags: settingFlags(this.flags) }).settings
    } catch (error) {
      return databaseError(error)
    }
  }

  /** With a database that answers: checks need not find out one by one that it does not. */
  private async openedContext() {
    const context = await this.context()
    await context.database.pool.query('select 1')
    return context
  }
}
