import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { ownerFlag } from '../../cli/flags/project.ts'
import type { Output } from '../../cli/output/output.ts'
import { datasourceReport } from '../../cli/views/datasource.ts'
import { testDatasource } from '../../core/datasources/index.ts'

export default class DatasourceTest extends KilnCommand<typeof DatasourceTest> {
  static override summary = 'Try a datasource as a job on this machine would.'
  static override description =
    'Connects to a Postgres and says its version, its latency and whether the role could write (queries of scripts are read only; a role that cannot write is the second wall). Opens files.'
  static override examples = [
    '<%= config.bin %> datasource test orders --project shop',
    '<%= config.bin %> datasource test orders --json',
  ]
  static override exitCodeHelp = [
    [66, 'there is no such datasource'],
    [69, 'the datasource cannot be reached or read'],
    [78, 'the key file of the stored URL is missing'],
  ] as const
  static override args = {
    name: requiredArgument({ description: 'name of the datasource' }),
  }
  static override flags = { project: ownerFlag('project that owns it') }

  protected async execute(): Promise<Output> {
    const { name } = this.args
    const report = await testDatasource(await this.context(), this.flags.project, name)
    if (report.type === 'postgres' && report.writePrivileges.length > 0) {
      this.warn(
        `the role "${report.user}" ${report.writePrivileges.join(' and ')}: give scripts a role that only reads`,
      )
    }
    return datasourceReport(name, report)
  }
}
