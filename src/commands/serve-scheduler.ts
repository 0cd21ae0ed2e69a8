import { Flags } from '@oclif/core'
import { KilnCommand } from '../cli/base-command.ts'
import type { Output } from '../cli/output/output.ts'
import { Service } from '../core/scheduler/index.ts'

export default class ServeScheduler extends KilnCommand<typeof ServeScheduler> {
  static override summary =
    'Run the service: jobs of the queue, schedules, health, metrics and the HTTP API.'
  static override description = `SIGTERM or SIGINT stops claiming and waits for the running jobs, at most ANALYSIS_DRAIN_TIMEOUT_SECONDS; a second one hands them back to the queue at once. SIGHUP reads log level, API token and statistics interval again, from .env files and files named by NAME_FILE.
See docs/service.md for the HTTP paths, systemd and containers.`
  static override examples = [
    '<%= config.bin %> serve-scheduler',
    '<%= config.bin %> serve-scheduler --once --no-http',
    '<%= config.bin %> serve-scheduler --port 9000 --concurrency 4',
  ]
  static override environmentHelp = [
    ['MAX_CONCURRENT_JOBS', 'jobs at a time (default twice the cores)'],
    ['HOST', 'address to listen on (default 127.0.0.1)'],
    ['ANALYSIS_EXECUTOR_PORT', 'port to listen on (default 8002)'],
    ['ANALYSIS_API_TOKEN', 'token of the requests that queue and read jobs'],
    ['LOG_LEVEL', 'least level that is logged (default info)'],
    ['LOG_FILE', 'file to log to, besides stderr'],
  ] as const
  static override exitCodeHelp = [
    [0, 'stopped by a signal, or with --once: nothing is due'],
    [73, 'LOG_FILE cannot be opened'],
    [75, 'the port is taken (try again, or choose another)'],
    [78, 'with --require-isolation: no layer but this account separates scripts from Kiln'],
  ] as const
  static override flags = {
    once: Flags.boolean({
      description: 'fire what is due, then end when no job is due and none runs here',
    }),
    concurrency: Flags.integer({
      description: 'jobs that run at a time (default MAX_CONCURRENT_JOBS)',
      min: 1,
      max: 1000,
      helpValue: 'N',
    }),
    host: Flags.string({
      description: 'address to listen on for HTTP requests (default HOST)',
      helpValue: 'ADDRESS',
      exclusive: ['no-http'],
    }),
    port: Flags.integer({
      description: 'port to listen on, 0 for a free one (default ANALYSIS_EXECUTOR_PORT)',
      min: 0,
      max: 65_535,
      helpValue: 'N',
      exclusive: ['no-http'],
    }),
    'no-executor': Flags.boolean({
      description: 'run no jobs here, only what else the service does',
      exclusive: ['once', 'concurrency'],
    }),
    'no-schedules': Flags.boolean({ description: 'fire no schedules here' }),
    'require-isolation': Flags.boolean({
      description:
        'refuse to start where scripts would share this account (see kiln sandbox check)',
      exclusive: ['no-executor'],
    }),
    'no-http': Flags.boolean({ description: 'do not listen for HTTP requests' }),
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
    const { maxConcurrentJobs, host, executorPort } = context.settings
    const { flags } = this
    const service = new Service(context, {
      programVersion: this.config.version,
      concurrency: flags['no-executor'] ? 0 : (flags.concurrency ?? maxConcurrentJobs),
      requireIsolation: flags['require-isolation'],
      once: flags.once,
      firesSchedules: !flags['no-schedules'],
      listen: flags['no-http']
        ? undefined
        : { host: flags.host ?? host, port: flags.port ?? executorPort },
      haste: this.haste.signal,
    })
    // On a terminal SIGHUP means that the terminal is gone.
    if (!process.stderr.isTTY) {
      process.on('SIGHUP', () => service.reload(() => this.reloadSettings()))
    }
    const counts = await service.run()
    return {
      kind: 'record',
      record: { completed: counts.completed, failed: counts.failed, cancelled: counts.cancelled },
      name: String(counts.completed + counts.failed + counts.cancelled),
    }
  }
}
