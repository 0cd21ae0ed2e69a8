import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { instantFlag } from '../../cli/flags/instant.ts'
import type { Output } from '../../cli/output/output.ts'
import { field, plainText } from '../../cli/output/render.ts'
import { age } from '../../cli/views/age.ts'
import { jobErrors } from '../../core/jobs/index.ts'

export default class JobErrors extends KilnCommand<typeof JobErrors> {
  static override summary = 'Group failures that are alike, most frequent first.'
  static override readsOnly = true
  static override examples = [
    '<%= config.bin %> job errors --since 24h --limit 10',
    '<%= config.bin %> job errors --project examples --json',
  ]
  static override flags = {
    since: instantFlag({ description: 'jobs created since (default 24h)' }),
    project: Flags.string({ description: 'only jobs of this project', helpValue: 'ID' }),
    limit: Flags.integer({
      description: 'most groups',
      default: 20,
      min: 1,
      max: 1000,
      helpValue: 'N',
    }),
  }

  protected async execute(): Promise<Output> {
    const context = await this.contextAfterSweep()
    const since = this.flags.since ?? new Date(Date.now() - 86_400_000).toISOString()
    const groups = await jobErrors(
      context.database.queries,
      { since, projectId: this.flags.project },
      this.flags.limit,
    )
    return {
      kind: 'list',
      items: groups.map((group) => ({
        analysis_name: group.analysisName,
        project_id: group.projectId,
        error_code: group.errorCode,
        error_message: group.errorMessage,
        count: group.count,
        last_at: group.lastAt,
        last_job_id: group.lastJobId,
      })),
      columns: [
        field('count', 'count'),
        field('analysis', 'analysis_name'),
        field('error', 'error_code'),
        { header: 'last', text: (group) => age(group.last_at) },
        field('message', 'error_message'),
        field('last job', 'last_job_id', true),
      ],
      name: (group) => plainText(group.last_job_id),
      empty: 'no failed jobs',
    }
  }
}
