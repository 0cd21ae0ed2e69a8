import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { ownerFlag } from '../../cli/flags/project.ts'
import type { Output } from '../../cli/output/output.ts'
import { readScript } from '../../cli/read-script.ts'
import { savedAnalysis } from '../../cli/views/analysis.ts'
import { createAnalysis, openInspector } from '../../core/analyses/index.ts'

export default class AnalysisCreate extends KilnCommand<typeof AnalysisCreate> {
  static override summary = 'Create an analysis from a script.'
  static override description =
    'The script is read in a sandbox first: what it declares is checked and kept with its version.'
  static override examples = [
    '<%= config.bin %> analysis create examples/dry-spells.js --name droughts',
    'cat delays.ts | <%= config.bin %> analysis create - --title "On-time performance" --json',
  ]
  static override exitCodeHelp = [
    [1, 'the script is not a valid analysis'],
    [65, 'the name is taken, or a declared datasource or analysis does not exist'],
    [66, 'there is no such file'],
  ] as const
  static override args = {
    file: requiredArgument({ description: 'script; - reads standard input' }),
  }
  static override flags = {
    project: ownerFlag('project that owns it; a new one appears by itself'),
    name: Flags.string({
      description: 'name within the project; made from the title unless given',
      helpValue: 'NAME',
    }),
    title: Flags.string({
      description: 'title; the declared one, or one made from the file name, unless given',
      helpValue: 'TEXT',
    }),
    message: Flags.string({
      char: 'm',
      description: 'what the first version is about',
      helpValue: 'TEXT',
    }),
  }

  protected async execute(): Promise<Output> {
    const { project, name, title, message } = this.flags
    const file = await readScript(this.args.file)
    const context = await this.context()
    const inspector = await openInspector(project, this.signal)
    try {
      const { analysis } = await createAnalysis(
        context,
        { file, projectId: project, name, title, changeDescription: message },
        inspector.inspect,
      )
      return savedAnalysis(analysis)
    } finally {
      await inspector.close()
    }
  }
}
