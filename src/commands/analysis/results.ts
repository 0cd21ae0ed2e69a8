import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { checkPeriod, instantFlag } from '../../cli/flags/instant.ts'
import { listFlags } from '../../cli/flags/list.ts'
import type { Output } from '../../cli/output/output.ts'
import { resultHistory } from '../../cli/views/result-history.ts'
import { getAnalysis } from '../../core/analyses/index.ts'
import { listResults } from '../../core/results/index.ts'

export default class AnalysisResults extends KilnCommand<typeof AnalysisResults> {
  static override summary = 'List the results of an analysis, newest first.'
  static override readsOnly = true
  static override description =
    'One line for each job that completed: when, how long, which version, where the result lies and how large it is. The result itself: job result ID.'
  static override examples = [
    '<%= config.bin %> analysis results delays --project flights --limit 10',
    '<%= config.bin %> analysis results delays --since 7d --json',
    '<%= config.bin %> job result "$(<%= config.bin %> analysis results delays --limit 1 -o name)"',
  ]
  static override exitCodeHelp = [[66, 'there is no such analysis']] as const
  static override args = {
    analysis: requiredArgument({ description: 'name or id of the analysis' }),
  }
  static override flags = {
    ...listFlags,
    project: Flags.string({ description: 'project of the analysis', helpValue: 'ID' }),
    since: instantFlag({ description: 'of jobs created since' }),
    until: instantFlag({ description: 'of jobs created before' }),
  }

  protected async execute(): Promise<Output> {
    const { limit, cursor, project, since, until } = this.flags
    checkPeriod(since, until)
    const context = await this.context()
    const { id } = await getAnalysis(context, {
      idOrName: this.args.analysis,
      projectId: project,
    })
    return resultHistory(
      await listResults(context, { analysisId: id, limit, cursor, since, until }),
    )
  }
}
