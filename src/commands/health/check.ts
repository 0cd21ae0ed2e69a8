import { Flags } from '@oclif/core'
import { durationFlag } from '../../cli/flags/duration.ts'
import { nagiosFlag } from '../../cli/flags/nagios.ts'
import { NagiosCommand } from '../../cli/nagios-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { targetColumns, targetJson, targetsExitCode, targetsLine } from '../../cli/views/health.ts'
import { parseTarget, probeTargets } from '../../core/health/index.ts'

export default class HealthCheck extends NagiosCommand<typeof HealthCheck> {
  static override summary = 'Ask several services at once, each by its URL, how they do.'
  static override description =
    'A service is healthy when it answers with 2xx and does not say otherwise, unhealthy when it answers with anything else, down when it does not answer in time. A URL without a path is asked for /health. Uses no database.'
  static override examples = [
    '<%= config.bin %> health check --target api=http://api-1:8002 --json',
    '<%= config.bin %> health check --target a=http://a:8002 --target b=http://b:80/ping',
    '<%= config.bin %> health check --target api=http://api-1:8002 --nagios --timeout 2s',
  ]
  static override exitCodeHelp = [
    [0, 'all are healthy'],
    [1, 'one says that it is degraded'],
    [2, 'one is unhealthy or down'],
    [3, 'with --nagios: unknown, it could not even be asked'],
  ] as const
  static override flags = {
    target: Flags.string({
      description: 'a service to ask; may be repeated',
      helpValue: 'NAME=URL',
      multiple: true,
      multipleNonGreedy: true,
      required: true,
    }),
    timeout: durationFlag({ description: 'how long to wait for each answer (default 5s)' }),
    nagios: nagiosFlag,
  }

  protected async execute(): Promise<Output> {
    const { target, timeout, nagios } = this.flags
    this.hidePassword(target, 'ask such a service by kiln health and ANALYSIS_EXECUTOR_URL')
    const answers = await probeTargets(target.map(parseTarget), timeout ?? 5000)
    const exitCode = targetsExitCode(answers)
    return {
      kind: 'list',
      items: answers.map(targetJson),
      columns: targetColumns,
      nextCursor: null,
      name: (item) => plainText(item.name),
      ...(nagios ? { lines: [targetsLine(answers, exitCode)] } : {}),
      exitCode,
    }
  }
}
