import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { sourceOfFlags } from '../../cli/datasource-source.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { ownerFlag } from '../../cli/flags/project.ts'
import type { Output } from '../../cli/output/output.ts'
import { datasourceRecord } from '../../cli/views/datasource.ts'
import {
  addDatasource,
  datasourceTypes,
  describePlace,
  fileFormats,
} from '../../core/datasources/index.ts'

export default class DatasourceAdd extends KilnCommand<typeof DatasourceAdd> {
  static override summary = 'Add a named connection that scripts may query.'
  static override description =
    'A Postgres is found by a variable or a file that holds its URL, or by a URL that is stored encrypted. Files lie under the working folder, the data folder or a folder in ANALYSIS_FILE_ROOTS, where the command runs and where jobs run.'
  static override examples = [
    '<%= config.bin %> datasource add orders --type postgres --url-env ORDERS_URL',
    '<%= config.bin %> datasource add orders --type postgres --url - < orders-url',
    "<%= config.bin %> datasource add flights --type file --path 'data/*.parquet'",
    '<%= config.bin %> datasource add warehouse --type duckdb --path warehouse.duckdb',
  ]
  static override exitCodeHelp = [
    [65, 'the project has a datasource of this name, or the URL is none'],
    [66, 'there is no such file'],
    [77, 'the file is not under an allowed folder'],
  ] as const
  static override args = {
    name: requiredArgument({ description: 'name within the project: ctx.datasource.NAME' }),
  }
  static override flags = {
    project: ownerFlag('project that owns it'),
    type: Flags.option({
      options: datasourceTypes,
      required: true,
      description: 'what kind of data it is',
      helpValue: 'TYPE',
    })(),
    'url-env': Flags.string({
      description: 'postgres: variable that holds the URL',
      helpValue: 'NAME',
    }),
    'url-file': Flags.string({
      description: 'postgres: file that holds the URL',
      helpValue: 'FILE',
    }),
    url: Flags.string({
      description: 'postgres: the URL itself, stored encrypted; - reads standard input',
      helpValue: 'URL|-',
    }),
    path: Flags.string({
      description: 'duckdb: the file; file: a file or a glob',
      helpValue: 'PATH',
    }),
    format: Flags.option({
      options: fileFormats,
      description: 'file: its format, unless the extension tells',
      helpValue: 'FORMAT',
    })(),
  }

  protected async execute(): Promise<Output> {
    const { project, type, url, path, format } = this.flags
    this.hidePassword(url ?? '', 'give the URL by --url -, --url-env or --url-file')
    const source = await sourceOfFlags({
      type,
      url,
      path,
      format,
      'url-env': this.flags['url-env'],
      'url-file': this.flags['url-file'],
    })
    const context = await this.context()
    const datasource = await addDatasource(context, {
      projectId: project,
      name: this.args.name,
      source,
    })
    const place = await describePlace(context, datasource)
    if (type === 'postgres' && !place) {
      this.say('the URL cannot be read here: check it where jobs run, by kiln datasource test')
    }
    return datasourceRecord(datasource, place)
  }
}
