import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { confirm } from '../../cli/confirm.ts'
import { requiredArguments } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { deletionOutput, deletionQuestion } from '../../cli/views/deletion.ts'
import { deleteAnalyses, previewDeletion } from '../../core/results/index.ts'

export default class AnalysisDelete extends KilnCommand<typeof AnalysisDelete> {
  static override summary = 'Delete analyses with all that is theirs; there is no way back.'
  static override description =
    'Versions, jobs with log lines and results, schedules and what scripts kept go too; without --yes it says how much, and asks. An analysis stays while jobs of it run or others declare it, unless --force is given. To stop one and keep its history, disable it.'
  static override examples = [
    '<%= config.bin %> analysis delete delays --project flights',
    '<%= config.bin %> analysis delete delays bird-strikes --yes --json',
    '<%= config.bin %> analysis delete delays --yes --force',
  ]
  static override exitCodeHelp = [
    [1, 'the question was answered with no'],
    [24, 'some were deleted, others were not'],
    [64, '--yes is missing and nobody can be asked'],
    [65, 'another analysis declares it'],
    [66, 'there is no such analysis'],
    [75, 'jobs of it are running (try again)'],
  ] as const
  static override strict = false
  static override args = {
    analysis: requiredArguments({ description: 'names or ids of analyses' }),
  }
  static override flags = {
    project: Flags.string({ description: 'project of the analyses', helpValue: 'ID' }),
    yes: Flags.boolean({ description: 'do not ask' }),
    force: Flags.boolean({
      description: 'cancel its running jobs; delete it though others declare it',
    }),
  }

  protected async execute(): Promise<Output> {
    const { project, yes, force } = this.flags
    const references = this.args.analysis.map((idOrName) => ({ idOrName, projectId: project }))
    const context = await this.contextAfterSweep()
    if (!yes) {
      const question = deletionQuestion(await previewDeletion(context, references))
      if (question !== undefined) await confirm(question, this.signal)
    }
    return deletionOutput(await deleteAnalyses(context, references, { force }))
  }
}
