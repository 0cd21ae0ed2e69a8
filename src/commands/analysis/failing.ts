import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { field, plainText } from '../../cli/output/render.ts'
import { age } from '../../cli/views/age.ts'
import { failingAnalyses } from '../../core/jobs/index.ts'

export default class AnalysisFailing extends KilnCommand<typeof AnalysisFailing> {
  static override summary = 'List analyses whose jobs fail too often.'
  static override readsOnly = true
  static override examples = [
    '<%= config.bin %> analysis failing --days 7 --threshold 20',
    '<%= config.bin %> analysis failing --project examples --min-runs 5 --json',
  ]
  static override exitCodeHelp = [[1, 'there are such analyses']] as const
  static override flags = {
    days: Flags.integer({
      description: 'look back this far',
      default: 7,
      min: 1,
      max: 36_500,
      helpValue: 'N',
    }),
    threshold: Flags.integer({
      description: 'least share of failures, in percent',
      default: 20,
      min: 0,
      max: 100,
      helpValue: 'PERCENT',
    }),
    'min-runs': Flags.integer({
      description: 'least number of ended jobs',
      default: 1,
      min: 1,
      helpValue: 'N',
    }),
    project: Flags.string({ description: 'only analyses of this project', helpValue: 'ID' }),
  }

  protected async execute(): Promise<Output> {
    const { days, threshold, project } = this.flags
    const context = await this.contextAfterSweep()
    const failing = await failingAnalyses(context.database.queries, {
      days,
      threshold: threshold / 100,
      minRuns: this.flags['min-runs'],
      projectId: project,
    })
    return {
      kind: 'list',
      items: failing.map((analysis) => ({
        id: analysis.id,
        name: analysis.name,
        project_id: analysis.projectId,
        runs: analysis.runs,
        failed: analysis.failed,
        failure_rate: analysis.failureRate,
        last_failed_at: analysis.lastFailedAt,
        last_error: analysis.lastError,
      })),
      columns: [
        field('name', 'name'),
        field('project', 'project_id'),
        field('runs', 'runs'),
        field('failed', 'failed'),
        { header: 'rate', text: (item) => `${Math.round(100 * Number(item.failure_rate))} %` },
        { header: 'last', text: (item) => age(item.last_failed_at) },
        field('last error', 'last_error'),
      ],
      name: (item) => plainText(item.name),
      empty: 'no analysis fails that often',
      exitCode: failing.length > 0 ? 1 : 0,
    }
  }
}
