import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { listFlags } from '../../cli/flags/list.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { analysisColumns, analysisJson } from '../../cli/views/analysis.ts'
import { listAnalyses } from '../../core/analyses/index.ts'

export default class AnalysisList extends KilnCommand<typeof AnalysisList> {
  static override summary = 'List analyses by project and name.'
  static override readsOnly = true
  static override examples = [
    '<%= config.bin %> analysis list --project flights',
    '<%= config.bin %> analysis list --active --output name',
  ]
  static override flags = {
    ...listFlags,
    project: Flags.string({ description: 'only analyses of this project', helpValue: 'ID' }),
    active: Flags.boolean({ description: 'only active ones', exclusive: ['inactive'] }),
    inactive: Flags.boolean({ description: 'only inactive ones' }),
  }

  protected async execute(): Promise<Output> {
    const { limit, cursor, project, active, inactive } = this.flags
    const { analyses, nextCursor } = await listAnalyses(await this.context(), {
      limit,
      cursor,
      projectId: project,
      isActive: active ? true : inactive ? false : undefined,
    })
    return {
      kind: 'list',
      items: analyses.map(analysisJson),
      columns: analysisColumns,
      nextCursor,
      name: (analysis) => plainText(analysis.id),
      empty: 'no analyses',
    }
  }
}
