import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { ownerFlag } from '../../cli/flags/project.ts'
import type { Output } from '../../cli/output/output.ts'
import { removeDatasource } from '../../core/datasources/index.ts'

export default class DatasourceRemove extends KilnCommand<typeof DatasourceRemove> {
  static override summary = 'Remove a datasource and the secret stored with it; its data stays.'
  static override examples = [
    '<%= config.bin %> datasource remove orders --project shop',
    '<%= config.bin %> datasource remove orders --force --quiet',
  ]
  static override exitCodeHelp = [
    [65, 'analyses declare it'],
    [66, 'there is no such datasource'],
  ] as const
  static override args = {
    name: requiredArgument({ description: 'name of the datasource' }),
  }
  static override flags = {
    project: ownerFlag('project that owns it'),
    force: Flags.boolean({ description: 'also when analyses declare it' }),
  }

  protected async execute(): Promise<Output> {
    const { project, force } = this.flags
    const { name } = this.args
    await removeDatasource(await this.context(), { projectId: project, name, force })
    return {
      kind: 'record',
      record: { project_id: project, name, removed: true },
      text: `removed ${name}`,
      name,
    }
  }
}
