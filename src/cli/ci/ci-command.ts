import type { Command } from '@oclif/core'
import { messageOf } from '../../core/errors/index.ts'
import { KilnCommand } from '../base-command.ts'
import { type CiFlags, reportToCi } from './report-to-ci.ts'
import { type CiCase, errorCase } from './report.ts'

/**
 * A command whose answer a pipeline waits for. Its report is written also when it ends by an error or a
 * signal: a workspace that is kept would show the green one of yesterday.
 */
export abstract class CiCommand<T extends typeof Command> extends KilnCommand<T> {
  private hasReported = false

  /** What it was asked to do, as the name of a case. */
  protected abstract get subject(): string

  /** Cases that were over before an error ended the command. */
  protected get casesSoFar(): readonly CiCase[] {
    return []
  }

  /** Signals end it by an error, so that there is time for the report. */
  protected override get endsItself(): boolean {
    return true
  }

  protected async report(cases: readonly CiCase[]): Promise<void> {
    this.hasReported = true
    await reportToCi(this.flags as CiFlags, this.suite, cases)
  }

  private get suite(): string {
    return `kiln ${this.id?.replaceAll(':', ' ') ?? ''}`
  }

  protected override async catch(error: unknown): Promise<void> {
    // Without flags nobody knows where to.
    const isParsed = (this.flags as CiFlags | undefined) !== undefined
    if (isParsed && !this.hasReported) {
      const one = errorCase(this.id?.split(':').at(-1) ?? '', this.subject, this.codedError(error))
      await this.report([...this.casesSoFar, one]).catch((reason: unknown) =>
        // What ended the command says more than why that could not be told.
        this.warn(`there is no report: ${messageOf(reason)}`),
      )
    }
    await super.catch(error)
  }
}
