import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { executorColumns, executorJson } from '../../cli/views/executor.ts'
import { listExecutors } from '../../core/jobs/index.ts'

export default class ExecutorList extends KilnCommand<typeof ExecutorList> {
  static override summary = 'List the executors: services, and commands that run a job right now.'
  static override readsOnly = true
  static override description = `States: alive; draining: takes no more jobs; dead: its heartbeat stands still, its jobs go back to the queue; stopped (with --all): it ended in order, or was declared dead.`
  static override examples = [
    '<%= config.bin %> executor list',
    '<%= config.bin %> executor list --all --limit 20 --json',
  ]
  static override flags = {
    all: Flags.boolean({ description: 'also those that have stopped' }),
    limit: Flags.integer({
      description: 'most executors shown, last started first',
      default: 200,
      min: 1,
      max: 10_000,
      helpValue: 'N',
    }),
  }

  protected async execute(): Promise<Output> {
    const { database } = await this.context()
    const { all: includeStopped, limit } = this.flags
    const executors = await listExecutors(database.queries, { includeStopped, limit })
    return {
      kind: 'list',
      items: executors.map(executorJson),
      columns: executorColumns,
      nextCursor: null,
      name: (executor) => plainText(executor.id),
      empty: 'no executors: kiln serve-scheduler starts one',
    }
  }
}
