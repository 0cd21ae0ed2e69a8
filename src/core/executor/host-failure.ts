import { type ErrorCode, KilnError } from '../errors/index.ts'
import type { HostCallFailure } from '../sandbox/contract.ts'

/** Error codes of jobs that stand for errors of ours; all others of a host call are the datasource's. */
const jobCodes: Partial<Record<ErrorCode, string>> = {
  PARAMETER_INVALID: 'parameter_error',
  DEPENDENCY_MISSING: 'dependency_error',
  ANALYSIS_NOT_FOUND: 'dependency_error',
  ANALYSIS_INACTIVE: 'dependency_error',
  ANALYSIS_INVALID: 'definition_error',
  JOB_FAILED: 'dependency_error',
  PROJECT_DATABASE_HELD: 'dependency_error',
  PROJECT_DATABASE_ELSEWHERE: 'dependency_error',
  TRANSACTION_ABORTED: 'transaction_aborted',
}

/** A failed host call as the script sees it: an error with a code, never a stack or a path of ours. */
export class HostFailure extends Error implements HostCallFailure {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** Turns what a host call threw into what the script may see. */
export function toHostFailure(error: unknown): HostFailure {
  if (error instanceof HostFailure) return error
  if (error instanceof KilnError) {
    return new HostFailure(jobCodes[error.code] ?? 'datasource_error', error.message)
  }
  // A defect of ours: its text may hold anything, so the script gets none of it.
  return new HostFailure('datasource_error', 'the call failed inside the executor')
}
