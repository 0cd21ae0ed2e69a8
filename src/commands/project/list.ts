import { KilnCommand } from '../../cli/base-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { projectColumns, projectJson } from '../../cli/views/project.ts'
import { listProjects } from '../../core/jobs/index.ts'

export default class ProjectList extends KilnCommand<typeof ProjectList> {
  static override summary = 'List projects with their limit, and how many jobs run and wait.'
  static override readsOnly = true
  static override examples = [
    '<%= config.bin %> project list',
    '<%= config.bin %> project list --json',
  ]

  protected async execute(): Promise<Output> {
    const { database } = await this.contextAfterSweep()
    const projects = await listProjects(database.queries)
    return {
      kind: 'list',
      items: projects.map(projectJson),
      columns: projectColumns,
      nextCursor: null,
      name: (project) => plainText(project.id),
      empty: 'no projects: one appears with its first analysis',
    }
  }
}
