import type { Command } from '@oclif/core/command'
import { CommandHelp } from '@oclif/core/help'

type Pairs = readonly (readonly [string | number, string])[]

/** Exit codes that any command may end with. */
const commonExitCodes: Pairs = [
  [0, 'done'],
  [64, 'the command line is wrong'],
  [69, 'a server is unavailable (try again)'],
  [70, 'a defect in Kiln'],
  [75, 'temporary: a lock is held, a limit is full (try again)'],
  [77, 'permission denied'],
  [78, 'configuration is wrong or a tool is missing'],
]

const environment: Pairs = [
  ['DATABASE_URL', 'the Postgres to use; unset: a private one'],
  ['ANALYSIS_DATA_DIR', 'data folder (default ./analysis-data)'],
]

const readonlyUrl: Pairs = [['DATABASE_READONLY_URL', 'read there, instead of DATABASE_URL']]

/** What the base command adds to what oclif knows of one. */
interface OwnHelp {
  readonly exitCodeHelp?: Pairs
  readonly environmentHelp?: Pairs
  readonly readsOnly?: boolean
}

/** The help of one command, with exit codes and environment. */
export class KilnCommandHelp extends CommandHelp {
  protected override sections(): ReturnType<CommandHelp['sections']> {
    const { exitCodeHelp = [], environmentHelp = [], readsOnly } = this.command as OwnHelp
    const codes = new Map([...commonExitCodes, ...exitCodeHelp])
    const section = (header: string, pairs: Iterable<readonly [string | number, string]>) => ({
      header,
      generate: () => ({
        header,
        body: [...pairs].map(([key, text]): [string, string] => [String(key), text]),
      }),
    })
    return [
      ...super.sections(),
      section(
        'EXIT CODES',
        [...codes].sort(([a], [b]) => Number(a) - Number(b)),
      ),
      section('ENVIRONMENT', [
        ...environmentHelp,
        ...(readsOnly ? readonlyUrl : []),
        ...environment,
      ]),
    ]
  }

  /** All of it; without the summary, oclif would print its last line only. */
  protected override description(): string | undefined {
    const { description } = this.command
    return description === undefined ? undefined : this.wrap(description)
  }

  /** In one line what must be given; oclif's own lists every flag twice and all that exclude others. */
  protected override defaultUsage(): string {
    const args = Object.values(this.command.args ?? {}).filter(({ hidden }) => !hidden)
    const required = Object.values(this.command.flags ?? {}).filter((flag) => flag.required)
    return [
      this.command.id,
      ...args.map((arg) => {
        const name = `${arg.name.toUpperCase()}${arg.multiple ? '...' : ''}`
        return arg.required ? name : `[${name}]`
      }),
      ...required.map(
        (flag) =>
          `--${flag.name}${flag.type === 'option' ? ` ${String(flag.helpValue ?? flag.name.toUpperCase())}` : ''}`,
      ),
      '[FLAGS]',
    ].join(' ')
  }

  /** With the values that a flag takes, which oclif leaves out of one that has a name for its value. */
  protected override flags(flags: Command.Flag.Any[]): [string, string | undefined][] | undefined {
    return super.flags(
      flags.map((flag) => {
        // Without a name for its value, oclif lists them itself.
        if (flag.type !== 'option' || !flag.helpValue) return flag
        if (flag.options === undefined || flag.options.length < 2) return flag
        const text = flag.summary ?? flag.description ?? ''
        return { ...flag, summary: `${text}: ${flag.options.join(', ')}` }
      }),
    )
  }

  /** Oclif takes the indentation from the first line of a list alone. */
  override renderList(...args: Parameters<CommandHelp['renderList']>): string {
    const text = super.renderList(...args)
    const indentation = /^ */.exec(args[0][0]?.[0] ?? '')?.[0] ?? ''
    return text.includes('\n\n') ? text : indentation + text
  }
}
