import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { ownerFlag } from '../../cli/flags/project.ts'
import type { Output } from '../../cli/output/output.ts'
import { datasourceRecord } from '../../cli/views/datasource.ts'
import { describePlace, getDatasource } from '../../core/datasources/index.ts'

export default class DatasourceShow extends KilnCommand<typeof DatasourceShow> {
  static override summary = 'Show where a datasource is; never its password.'
  static override readsOnly = true
  static override examples = [
    '<%= config.bin %> datasource show orders --project shop',
    '<%= config.bin %> datasource show orders --json',
  ]
  static override exitCodeHelp = [[66, 'there is no such datasource']] as const
  static override args = {
    name: requiredArgument({ description: 'name of the datasource' }),
  }
  static override flags = { project: ownerFlag('project that owns it') }

  protected async execute(): Promise<Output> {
    const context = await this.context()
    const datasource = await getDatasource(context, this.flags.project, this.args.name)
    return datasourceRecord(datasource, await describePlace(context, datasource))
  }
}
