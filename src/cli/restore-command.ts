import type { Command } from '@oclif/core'
import type { OnRestoreProgress } from '../core/restore/index.ts'
import { KilnCommand } from './base-command.ts'
import { ProgressLine } from './progress-line.ts'

/** What the commands of `kiln restore` share. */
export abstract class RestoreCommand<T extends typeof Command> extends KilnCommand<T> {
  /** A database without a schema gets it: that is where a restore after a disaster begins. */
  protected override get needsSchema(): boolean {
    return false
  }

  /** What is staged is taken away after a signal. */
  protected override get endsItself(): boolean {
    return true
  }

  /** Runs `work` and shows how far it is, unless nobody wants to know. */
  protected async withProgress<Result>(
    work: (onProgress: OnRestoreProgress | undefined) => Promise<Result>,
  ): Promise<Result> {
    const line = new ProgressLine()
    try {
      return await work(this.flags.quiet ? undefined : line.report)
    } finally {
      line.end()
    }
  }
}
