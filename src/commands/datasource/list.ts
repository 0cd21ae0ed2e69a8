import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { datasourceColumns, datasourceJson } from '../../cli/views/datasource.ts'
import { listDatasources } from '../../core/datasources/index.ts'

export default class DatasourceList extends KilnCommand<typeof DatasourceList> {
  static override summary = 'List datasources by project and name.'
  static override readsOnly = true
  static override examples = [
    '<%= config.bin %> datasource list --project shop',
    '<%= config.bin %> datasource list --json',
  ]
  static override flags = {
    project: Flags.string({ description: 'only datasources of this project', helpValue: 'ID' }),
  }

  protected async execute(): Promise<Output> {
    const datasources = await listDatasources(await this.context(), {
      projectId: this.flags.project,
    })
    return {
      kind: 'list',
      items: datasources.map((datasource) => datasourceJson(datasource)),
      columns: datasourceColumns,
      name: (datasource) => plainText(datasource.name),
      empty: 'no datasources',
    }
  }
}
