import { Command, type Interfaces } from '@oclif/core'
import type { Settings } from '../core/config/index.ts'
import type { Context } from '../core/context.ts'
import { KilnError, exitCodes } from '../core/errors/index.ts'
import { printableLines } from '../core/units/printable.ts'
import { jsonWithoutCommands, withoutCommands } from './ci/without-commands.ts'
import type { ContextHandle } from './context.ts'
import { globalFlags } from './flags/global.ts'
import { asksForDebug, formatOfArgv } from './output/format-of-argv.ts'
import { forReader } from './output/for-reader.ts'
import { ListStream } from './output/list-stream.ts'
import type { Output } from './output/output.ts'
import { type Format, isJsonText, render } from './output/render.ts'
import { errorText, toKilnError } from './output/report-error.ts'
import { settingFlags } from './setting-flags.ts'
import { usageError } from './usage-error.ts'

type Flags<T extends typeof Command> = Interfaces.InferredFlags<
  (typeof KilnCommand)['baseFlags'] & T['flags']
>
type Args<T extends typeof Command> = Interfaces.InferredArgs<T['args']>

type CommandConstructor = new (
  argv: string[],
  config: Command['config'],
) => KilnCommand<typeof Command>

/** A command that can be run. */
export type CommandClass = typeof KilnCommand & CommandConstructor

/**
 * What every command is: parse, open what it needs, call core once, render. Closes the traps of
 * oclif that would make exit codes or output lie; test/cli/base-command.test.ts has one test for
 * each.
 */
export abstract class KilnCommand<T extends typeof Command> extends Command {
  static override baseFlags = globalFlags
  /** Exit codes of this command besides the common ones; shown in its help. */
  static exitCodeHelp: readonly (readonly [number, string])[] = []
  /** Variables that it looks at besides those of every command; shown in its help. */
  static environmentHelp: readonly (readonly [string, string])[] = []
  /** True when the command changes nothing, so that it may go to DATABASE_READONLY_URL. */
  static readsOnly = false

  /**
   * Runs the command: tells what it ended with, and sets the exit code. Oclif's `run` would load all of
   * its configuration.
   */
  static async runWith(
    this: CommandConstructor,
    argv: readonly string[],
    config: Command['config'],
  ): Promise<void> {
    await new this([...argv], config)._run()
  }

  protected flags!: Flags<T>
  protected args!: Args<T>
  private readonly abortController = new AbortController()
  private handle: ContextHandle | undefined
  private format: Format = 'table'

  /** The command itself. Undefined when there is nothing to print. */
  protected abstract execute(): Promise<Output | void>

  /**
   * True when the command ends itself properly after a signal (cancels its job, drains). Others
   * end at once: they hold nothing that the database would not roll back.
   */
  protected get endsItself(): boolean {
    return false
  }

  /** True for long-running commands: their log lines go to stderr. */
  protected get logs(): boolean {
    return false
  }

  /**
   * Aborted by the second signal, for a command that has something to put in order even then.
   * Undefined: the second signal ends the process.
   */
  protected readonly haste: AbortController | undefined = undefined

  override async run(): Promise<void> {
    this.format = formatOfArgv(this.argv)
    const { flags, args } = await this.parse({
      flags: this.ctor.flags,
      baseFlags: (super.ctor as typeof KilnCommand).baseFlags,
      args: this.ctor.args,
      strict: this.ctor.strict,
      enableJsonFlag: false,
    }).catch((error: unknown) => {
      throw usageError(error, this.id ?? '')
    })
    this.flags = flags as Flags<T>
    this.args = args as Args<T>
    this.format = (flags.json ? 'json' : flags.output) as Format
    this.hidePassword(flags['database-url'] ?? '', 'use DATABASE_URL instead of --database-url')
    this.watchSignals()
    const output = await this.execute()
    if (output) this.write(output)
  }

  protected get readsOnly(): boolean {
    return (this.ctor as typeof KilnCommand).readsOnly
  }

  /** False for commands that work on any schema; all others want the one this program knows. */
  protected get needsSchema(): boolean {
    return true
  }

  /** What may be done to have a private Postgres running, where the command would use it. */
  protected get privateServer(): 'make' | 'start' | 'use' {
    return 'make'
  }

  /** Connections that the command needs at once, whatever DATABASE_POOL_SIZE says. */
  protected get leastConnections(): number {
    return 1
  }

  /** How long the server may leave the first question without an answer; a minute unless told. */
  protected get silenceLimitMs(): number | undefined {
    return undefined
  }

  /**
   * Settings, database, logger and signal. A schema that is missing, older or newer ends the command
   * here, before it reads or writes a row.
   */
  protected async context(): Promise<Context> {
    if (this.handle) return this.handle.context
    // A server that has nothing to say must not keep the one at the keyboard: nothing is begun yet.
    return await Promise.race([this.openContext(), rejectionOf(this.signal)])
  }

  private async openContext(): Promise<Context> {
    // Only commands that use the database pay for loading its driver.
    const { openContext } = await import('./context.ts')
    this.handle = await openContext({
      commandId: this.id ?? 'kiln',
      signal: this.abortController.signal,
      flags: settingFlags(this.flags),
      logs: this.logs,
      readsOnly: this.readsOnly,
      privateServer: this.privateServer,
      leastConnections: this.leastConnections,
    })
    if (this.needsSchema) {
      const { checkSchema } = await import('../core/migrate/check-schema.ts')
      await checkSchema(this.handle.context, undefined, this.silenceLimitMs)
    }
    return this.handle.context
  }

  /**
   * The same for a command that reads or writes jobs: what executors left behind that died has gone
   * back to the queue, or is warned of. Where nothing can be written that is left to services.
   */
  protected async contextAfterSweep(): Promise<Context> {
    const context = await this.context()
    if (context.database.target.isReadOnly) return context
    const { sweepLostExecutors } = await import('../core/jobs/sweep-lost-executors.ts')
    const { problems } = await sweepLostExecutors(context.database.queries)
    for (const problem of problems) this.warn(problem)
    return context
  }

  /** The settings as they are now, for a command that can take new ones; its log level follows. */
  protected reloadSettings(): Settings {
    if (!this.handle) throw new KilnError('INTERNAL', 'settings are reloaded before they are read')
    return this.handle.reload()
  }

  protected get signal(): AbortSignal {
    return this.abortController.signal
  }

  protected get isJson(): boolean {
    return this.format === 'json' || this.format === 'jsonl'
  }

  protected get outputFormat(): Format {
    return this.format
  }

  /**
   * True when a value that is rows should be a table: asked for, or read by a person. Into a pipe
   * goes JSON unless asked otherwise.
   */
  protected get asksForTable(): boolean {
    return (
      this.format === 'wide' ||
      (this.format === 'table' && (process.stdout.isTTY || this.namesFormat))
    )
  }

  private get namesFormat(): boolean {
    return this.argv.some((word) => /^(-o.*|--output(=.*)?)$/.test(word))
  }

  /** Quiet is silent on success, for cron; who names a format wants the data all the same. */
  private get isSilent(): boolean {
    return this.flags.quiet && !this.flags.json && !this.namesFormat
  }

  /** For a list that goes on, which the command prints part by part. */
  protected openListStream(format = this.format): ListStream {
    return new ListStream(format, this.isSilent)
  }

  /** A remark on stderr; silent with `-q`. */
  protected say(message: string): void {
    if (!this.flags.quiet) this.remark(message)
  }

  /** A warning on stderr, also with `--json` and `-q`. */
  override warn(input: Error | string): Error | string {
    const message = typeof input === 'string' ? input : input.message
    this.remark(`warning: ${message}`)
    return input
  }

  /** For a wait that goes on while the database is away. */
  protected readonly onAway = (message: string): void => {
    this.warn(`${message}; waiting until it is back`)
  }

  /** What scripts and rows say is part of it: nothing that a terminal or a pipeline would obey. */
  private remark(text: string): void {
    process.stderr.write(`${this.forRunner(printableLines(text), false)}\n`)
  }

  /** As it is, or in a pipeline that would obey some lines of it so that it does not. */
  private forRunner(text: string, isJson: boolean): string {
    const { ci } = (this.flags as { readonly ci?: string } | undefined) ?? {}
    if (ci === undefined) return text
    return isJson ? jsonWithoutCommands(text) : withoutCommands(text)
  }

  private write(output: Output): void {
    const text = this.isSilent ? '' : render(output, this.format)
    const safe = this.forRunner(forReader(text), isJsonText(output, this.format))
    if (text !== '') process.stdout.write(`${safe}\n`)
    if (output.kind === 'list' && !this.isJson) {
      if (output.items.length === 0 && output.empty) this.say(output.empty)
      if (output.nextCursor) this.say(`more: --cursor ${output.nextCursor}`)
    }
    if (output.error) throw output.error
    if (output.exitCode !== undefined) process.exitCode = output.exitCode
  }

  /** None is deprecated, and to find that out oclif would load what its help is made of. */
  protected override warnIfCommandDeprecated(): void {}

  protected override async catch(error: unknown): Promise<void> {
    const kilnError = this.codedError(error)
    const withStack = asksForDebug(this.argv)
    const text = errorText(kilnError, { asJson: this.isJson, withStack })
    if (this.isJson) process.stderr.write(`${this.forRunner(text, true)}\n`)
    else this.remark(text)
    process.exitCode = kilnError.exitCode
  }

  /** What ended the command; after a signal that, whatever it broke. */
  protected codedError(error: unknown): KilnError {
    return toKilnError(
      this.signal.aborted ? this.signal.reason : error,
      this.handle?.context.database.target.label,
    )
  }

  protected override async finally(): Promise<void> {
    await this.handle?.close()
  }

  private watchSignals(): void {
    const ends = [
      ['SIGINT', 'INTERRUPTED', exitCodes.interrupted],
      ['SIGTERM', 'TERMINATED', exitCodes.terminated],
    ] as const
    for (const [signal, code, exitCode] of ends) {
      process.on(signal, () => {
        if (!this.signal.aborted && this.endsItself) {
          this.abortController.abort(new KilnError(code, `ended by ${signal}`))
        } else if (this.haste && !this.haste.signal.aborted) {
          this.haste.abort(new KilnError(code, `ended by a second ${signal}`))
        } else {
          process.exit(exitCode)
        }
      })
    }
  }

  /** A password on the command line is seen by everyone on the machine in the process list. */
  protected hidePassword(given: string | readonly string[], advice: string): void {
    // Also one whose password is not encoded as it should be: it is refused later, and was seen.
    if (![given].flat().some((url) => /\/\/[^@]*:.*@|password\s*=./i.test(url))) return
    process.title = `kiln ${this.id?.replaceAll(':', ' ') ?? ''}`
    this.warn(`${advice}: the password in it may have been seen by other users of this machine`)
  }
}

/** Rejects with the reason when the signal is aborted. */
export async function rejectionOf(signal: AbortSignal): Promise<never> {
  return await new Promise((_, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}
