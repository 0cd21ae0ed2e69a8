import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { checkPeriod, instantFlag } from '../../cli/flags/instant.ts'
import { listFlags } from '../../cli/flags/list.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { auditColumns, auditJson } from '../../cli/views/audit.ts'
import { listAudit } from '../../core/audit/index.ts'

export default class AuditList extends KilnCommand<typeof AuditList> {
  static override summary = 'List what operators changed, newest first.'
  static override readsOnly = true
  static override description =
    'Each change is written in its own transaction: who, what, on which target, hashes of the state before and after. Queueing, claiming and ending of jobs are no changes of an operator.'
  static override examples = [
    '<%= config.bin %> audit list --since 1d',
    '<%= config.bin %> audit list --action job.cancel --actor ada --json',
    '<%= config.bin %> audit list --target default/bird-strikes -o wide',
  ]
  static override flags = {
    ...listFlags,
    since: instantFlag({ description: 'only changes from then on' }),
    until: instantFlag({ description: 'only changes before it' }),
    actor: Flags.string({ description: 'only changes of this account', helpValue: 'NAME' }),
    action: Flags.string({
      description: 'only this action, or all of a noun: job.cancel, job',
      helpValue: 'ACTION',
    }),
    target: Flags.string({
      description: 'only changes of what has this id or name',
      helpValue: 'ID',
    }),
  }

  protected async execute(): Promise<Output> {
    const { limit, cursor, since, until, actor, action, target } = this.flags
    checkPeriod(since, until)
    const { queries } = (await this.context()).database
    const filter = { limit, cursor, since, until, actor, action, target }
    const { rows, nextCursor } = await listAudit(queries, filter)
    return {
      kind: 'list',
      items: rows.map(auditJson),
      columns: auditColumns,
      nextCursor,
      name: (item) => plainText(item.id),
      empty: 'nothing was changed',
    }
  }
}
