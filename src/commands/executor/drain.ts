import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArguments } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { drainedColumns, drainedJson } from '../../cli/views/executor.ts'
import { drainExecutors } from '../../core/jobs/index.ts'

export default class ExecutorDrain extends KilnCommand<typeof ExecutorDrain> {
  static override summary = 'Let executors take no more jobs; what runs there goes on.'
  static override description = `All named executors are drained or, when one is not known, none. The process stays, is no longer ready (/readyz), and may be stopped when it has no jobs; a restart takes jobs again.`
  static override examples = [
    '<%= config.bin %> executor drain 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77',
    '<%= config.bin %> executor drain worker-3:4711 --json',
  ]
  static override exitCodeHelp = [[66, 'no running executor has this id or label']] as const
  static override args = {
    executor: requiredArguments({ description: 'ids or labels of executors' }),
  }

  protected async execute(): Promise<Output> {
    const drained = await drainExecutors(await this.context(), this.args.executor)
    return {
      kind: 'list',
      items: drained.map(drainedJson),
      columns: drainedColumns,
      nextCursor: null,
      name: (executor) => plainText(executor.id),
    }
  }
}
