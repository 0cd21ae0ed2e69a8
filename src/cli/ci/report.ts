import type { KilnError } from '../../core/errors/index.ts'
import { maskPasswords } from '../../core/units/index.ts'

/** One thing that a pipeline checks: a test, a script, a job. */
export interface CiCase {
  /** Dotted or with slashes: pipelines group by it. */
  readonly group: string
  readonly name: string
  readonly outcome: 'passed' | 'failed' | 'error'
  /** Why it is not passed, one sentence a line. */
  readonly problems: readonly string[]
  readonly file?: string | undefined
  readonly line?: number | null | undefined
  readonly column?: number | null | undefined
  readonly durationMs?: number | undefined
  /** What it printed. */
  readonly log?: string | undefined
}

/** A case of a command that could not do what it was for. */
export const errorCase = (group: string, name: string, error: KilnError): CiCase => ({
  group,
  name,
  // The answer of a job or a script is a failure, everything else an error of its surroundings.
  outcome:
    error.exitCode === 1 || (error.exitCode >= 20 && error.exitCode <= 23) ? 'failed' : 'error',
  problems: [maskPasswords(`${error.message} [${error.code}]`)],
})
