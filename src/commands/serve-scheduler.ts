import { Flags } from '@oclif/core'
import { KilnCommand } from '../cli/base-command.ts'
import type { Output } from '../cli/output/output.ts'
import { serve } from '../core/scheduler/index.ts'

export default class ServeScheduler extends KilnCommand<typeof ServeScheduler> {
  static override summary = 'Run jobs of the queue, until stopped or until it is empty.'
  static override description =
    'SIGTERM or SIGINT stops claiming and waits for the running jobs; a second one hands them back to the queue.'
  static override examples = [
    '<%= config.bin %> serve-scheduler --once --no-http',
    '<%= config.bin %> serve-scheduler --no-http --concurrency 4',
  ]
  static override flags = {
    once: Flags.boolean({ description: 'end when nothing is due and nothing runs here' }),
    concurrency: Flags.integer({
      description: 'jobs that run at a time (default ANALYSIS_MAX_CONCURRENT_JOBS)',
      min: 1,
      max: 1000,
      helpValue: 'N',
    }),
    'no-http': Flags.boolean({ description: 'do not listen for HTTP requests', required: true }),
  }

  protected override get endsItself(): boolean {
    return true
  }

  protected override get logs(): boolean {
    return true
  }

  protected override readonly haste = new AbortController()

  protected async execute(): Promise<Output> {
    const context = await this.context()
    const counts = await serve(context, {
      programVersion: this.config.version,
      concurrency: this.flags.concurrency ?? context.settings.maxConcurrentJobs,
      once: this.flags.once,
      haste: this.haste.signal,
    })
    return {
      kind: 'record',
      record: { completed: counts.completed, failed: counts.failed, cancelled: counts.cancelled },
      name: String(counts.completed + counts.failed + counts.cancelled),
    }
  }
}
