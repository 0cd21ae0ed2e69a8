import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { verdictOutput } from '../../cli/views/audit.ts'
import { sealAudit, verifyAudit } from '../../core/audit/index.ts'

export default class AuditVerify extends KilnCommand<typeof AuditVerify> {
  static override summary = 'Recompute the hashes of the audit log: is a row changed or missing?'
  static override description =
    'A service seals new rows twice a minute; of those it has not come to nothing can be told, and they are counted apart. With --seal they are sealed after the others were found in order. See docs/audit.md.'
  static override examples = [
    '<%= config.bin %> audit verify',
    '<%= config.bin %> audit verify --seal --quiet',
    '<%= config.bin %> audit verify --json',
  ]
  static override exitCodeHelp = [[1, 'a row was changed, or rows are missing']] as const
  static override flags = {
    seal: Flags.boolean({ description: 'then seal what is not, unless something was found' }),
  }

  protected override get readsOnly(): boolean {
    return !this.flags.seal
  }

  protected async execute(): Promise<Output> {
    const { queries } = (await this.context()).database
    const verdict = await verifyAudit(queries)
    const maySeal = Boolean(this.flags.seal) && verdict.findings.length === 0
    const newlySealed = maySeal ? await sealAudit(queries) : 0
    return verdictOutput(verdict, newlySealed)
  }
}
