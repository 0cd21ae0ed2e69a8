import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { comparisonOutput } from '../../cli/views/comparison.ts'
import { compareResults } from '../../core/results/index.ts'

export default class JobCompare extends KilnCommand<typeof JobCompare> {
  static override summary = 'Compare what two jobs returned.'
  static override readsOnly = true
  static override description =
    'Lists each place where the results differ: added, removed or changed from the first to the second. Objects are compared by key whatever their order, arrays by position, numbers by value.'
  static override examples = [
    '<%= config.bin %> job compare "$BEFORE" "$AFTER"',
    '<%= config.bin %> job compare "$BEFORE" "$AFTER" --limit 1000 --json',
  ]
  static override exitCodeHelp = [
    [0, 'the results are equal'],
    [1, 'the results differ'],
    [65, 'a job has no result'],
    [66, 'there is no such job'],
    [74, 'a stored result cannot be read here'],
  ] as const
  static override args = {
    a: requiredArgument({ description: 'id of the first job' }),
    b: requiredArgument({ description: 'id of the second job' }),
  }
  static override flags = {
    limit: Flags.integer({
      description: 'most differences that are listed',
      default: 100,
      min: 1,
      max: 100_000,
      helpValue: 'N',
    }),
  }

  protected async execute(): Promise<Output> {
    const { limit } = this.flags
    const context = await this.contextAfterSweep()
    const comparison = await compareResults(context, this.args.a, this.args.b, limit)
    if (comparison.count > limit) {
      this.say(`${limit} of ${comparison.count} differences; more: --limit ${comparison.count}`)
    }
    return comparisonOutput(comparison)
  }
}
