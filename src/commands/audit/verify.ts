import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { knownSealFlag } from '../../cli/flags/known-seal.ts'
import type { Output } from '../../cli/output/output.ts'
import { verdictOutput } from '../../cli/views/audit.ts'
import { sealVerified, verifyAudit } from '../../core/audit/index.ts'

export default class AuditVerify extends KilnCommand<typeof AuditVerify> {
  static override summary = 'Recompute the hashes of the audit log: is a row changed or missing?'
  static override description =
    'A service seals new rows twice a minute; of those it has not come to nothing can be told, and they are counted apart. With --seal they are sealed after the others were found in order. A log that was emptied, or whose hashes were all computed anew, is found by --expect with the last seal of an earlier run that was kept elsewhere. See docs/audit.md.'
  static override examples = [
    '<%= config.bin %> audit verify',
    '<%= config.bin %> audit verify --seal --quiet',
    '<%= config.bin %> audit verify --json',
    '<%= config.bin %> audit verify --expect "$(cat /mnt/elsewhere/last-seal)"',
  ]
  static override exitCodeHelp = [
    [1, 'a row was changed, rows are missing, or the chain is not that of --expect'],
  ] as const
  static override flags = {
    expect: knownSealFlag({
      description: 'fail unless the chain goes through this row with this hash',
    }),
    seal: Flags.boolean({ description: 'then seal what is not, unless something was found' }),
  }

  protected override get readsOnly(): boolean {
    return !this.flags.seal
  }

  protected async execute(): Promise<Output> {
    const { queries } = (await this.context()).database
    const verdict = await verifyAudit(queries, this.flags.expect)
    return verdictOutput(this.flags.seal ? await sealVerified(queries, verdict) : verdict)
  }
}
