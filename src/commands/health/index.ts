import { Flags } from '@oclif/core'
import { durationFlag } from '../../cli/flags/duration.ts'
import { nagiosFlag } from '../../cli/flags/nagios.ts'
import { NagiosCommand } from '../../cli/nagios-command.ts'
import type { JsonObject, Output } from '../../cli/output/output.ts'
import { serviceLine } from '../../cli/views/health.ts'
import { loadSettings } from '../../core/config/index.ts'
import { exitCodes } from '../../core/errors/index.ts'
import { type ServiceVerdict, askService } from '../../core/health/index.ts'

const exitCodeOf: Readonly<Record<ServiceVerdict, number>> = {
  healthy: exitCodes.ok,
  degraded: exitCodes.no,
  unhealthy: exitCodes.critical,
  down: exitCodes.critical,
}

export default class Health extends NagiosCommand<typeof Health> {
  static override summary = 'Ask a running service how it does, over HTTP.'
  static override description =
    'Asks the service at --url, else ANALYSIS_EXECUTOR_URL, else HOST and ANALYSIS_EXECUTOR_PORT. Uses no database.'
  static override examples = [
    '<%= config.bin %> health',
    '<%= config.bin %> health --live -q',
    '<%= config.bin %> health --ready --url http://worker-3:8002 --json',
    '<%= config.bin %> health --nagios --timeout 2s',
  ]
  static override environmentHelp = [
    ['ANALYSIS_EXECUTOR_URL', 'where the service listens'],
    ['HOST', 'its address, where that is unset (default 127.0.0.1)'],
    ['ANALYSIS_EXECUTOR_PORT', 'its port (default 8002)'],
  ] as const
  static override exitCodeHelp = [
    [0, 'healthy'],
    [1, 'degraded: it works, and is busier than it should be'],
    [2, 'unhealthy, not ready, or nothing answers'],
    [3, 'with --nagios: unknown, it could not even be asked'],
  ] as const
  static override flags = {
    live: Flags.boolean({
      description: 'only whether the process answers',
      exclusive: ['ready'],
    }),
    ready: Flags.boolean({ description: 'whether it takes jobs; says which check fails' }),
    url: Flags.string({ description: 'where the service listens', helpValue: 'URL' }),
    timeout: durationFlag({ description: 'how long to wait for the answer (default 5s)' }),
    nagios: nagiosFlag,
  }

  protected async execute(): Promise<Output> {
    const { live, ready, url, timeout } = this.flags
    this.hidePassword(url ?? '', 'use ANALYSIS_EXECUTOR_URL instead of --url')
    const { settings } = loadSettings()
    const answer = await askService(settings, {
      question: live ? 'live' : ready ? 'ready' : 'health',
      url,
      timeoutMs: timeout ?? 5000,
    })
    const { verdict, report, problem } = answer
    const exitCode = exitCodeOf[verdict]
    const line = this.flags.nagios ? { text: serviceLine(answer, exitCode) } : {}
    if (problem && !this.flags.nagios) this.say(`${answer.url}: ${problem}`)
    const record = (report ?? { status: verdict, url: answer.url, problem }) as JsonObject
    return { kind: 'record', record, name: verdict, exitCode, ...line }
  }
}
