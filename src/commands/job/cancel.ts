import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { ageFlag } from '../../cli/flags/duration.ts'
import { optionalArguments } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { bulkOutput } from '../../cli/views/bulk.ts'
import { getAnalysis } from '../../core/analyses/index.ts'
import type { Context } from '../../core/context.ts'
import { KilnError } from '../../core/errors/index.ts'
import { cancelJobs, findUnfinishedJobs } from '../../core/jobs/index.ts'

const cancelled = ['cancelled', 'already_cancelled']

export default class JobCancel extends KilnCommand<typeof JobCancel> {
  static override summary = 'Cancel jobs: pending ones never run, running scripts are stopped.'
  static override description =
    'Names jobs by id, or chooses unfinished ones by --status, --analysis, --project or --stuck, which needs --yes. Safe to repeat.'
  static override examples = [
    '<%= config.bin %> job cancel 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77 --reason "wrong month"',
    '<%= config.bin %> job cancel --status pending --analysis bird-strikes --yes',
    '<%= config.bin %> job cancel --stuck 2h --yes --json',
  ]
  static override exitCodeHelp = [
    [1, 'a job had ended before it could be cancelled'],
    [24, 'some jobs were cancelled, others were not'],
    [66, 'there is no such job'],
  ] as const
  static override strict = false
  static override args = { id: optionalArguments({ description: 'ids of jobs' }) }
  static override flags = {
    reason: Flags.string({ description: 'kept with each job', helpValue: 'TEXT' }),
    status: Flags.option({
      options: ['pending', 'running'] as const,
      description: 'unfinished jobs of this status',
      helpValue: 'STATUS',
    })(),
    analysis: Flags.string({ description: 'unfinished jobs of this analysis', helpValue: 'NAME' }),
    project: Flags.string({ description: 'unfinished jobs of this project', helpValue: 'ID' }),
    stuck: ageFlag({
      description: 'jobs that have been running for longer than this',
      exclusive: ['status'],
    }),
    yes: Flags.boolean({ description: 'cancel everything that was chosen, without asking' }),
  }

  protected async execute(): Promise<Output> {
    const ids = this.args.id ?? []
    const isChoice =
      [this.flags.status, this.flags.analysis, this.flags.project].some(Boolean) ||
      this.flags.stuck !== undefined
    if (ids.length > 0 === isChoice) {
      throw new KilnError('USAGE', 'name jobs by id, or choose them by flags', {
        hint: 'run: kiln job cancel --help',
      })
    }
    if (isChoice && !this.flags.yes) {
      throw new KilnError('CONFIRMATION_MISSING', 'cancelling all jobs that match needs --yes', {
        hint: 'look at them with kiln job list first',
      })
    }
    const context = await this.contextAfterSweep()
    const chosen = isChoice ? await this.choose(context) : ids
    const { reason, status, stuck } = this.flags
    const outcomes = await cancelJobs(context, chosen, {
      reason: reason ?? 'cancelled by the operator',
      ...(status ? { onlyStatus: status } : {}),
      ...(stuck === undefined ? {} : { onlyStuckForMs: stuck }),
    })
    return bulkOutput(
      outcomes.map(({ id, outcome }) => ({ id, outcome })),
      {
        // A job that was chosen and ended by itself meanwhile no longer matches: nothing failed.
        good: isChoice ? [...new Set(outcomes.map((one) => one.outcome))] : cancelled,
        empty: 'no job matches',
      },
    )
  }

  private async choose(context: Context): Promise<string[]> {
    const { status, analysis, project, stuck } = this.flags
    const found = analysis
      ? await getAnalysis(context, {
          idOrName: analysis,
          ...(project === undefined ? {} : { projectId: project }),
        })
      : undefined
    return findUnfinishedJobs(context.database.queries, {
      ...(status ? { status } : {}),
      ...(found ? { analysisId: found.id } : {}),
      ...(project === undefined ? {} : { projectId: project }),
      ...(stuck === undefined ? {} : { stuckForMs: stuck }),
    })
  }
}
