import type { Command } from '@oclif/core'
import { exitCodes } from '../core/errors/index.ts'
import { KilnCommand } from './base-command.ts'
import { toKilnError } from './output/report-error.ts'
import { unknownLine } from './views/health.ts'

/** A command with `--nagios`: what asks it knows the exit codes 0 to 3 only, and reads one line. */
export abstract class NagiosCommand<T extends typeof Command> extends KilnCommand<T> {
  protected override async catch(error: unknown): Promise<void> {
    if (!this.argv.includes('--nagios') || this.isJson) return super.catch(error)
    process.stdout.write(`${unknownLine(toKilnError(error))}\n`)
    process.exitCode = exitCodes.unknown
  }
}
