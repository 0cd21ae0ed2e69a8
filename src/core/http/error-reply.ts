import { databaseError, isDatabaseError } from '../database/index.ts'
import { type ErrorCode, type ExitCode, KilnError, exitCodes } from '../errors/index.ts'
import { HttpProblem } from './http-problem.ts'
import { type Reply, jsonReply } from './reply.ts'

/** Statuses of errors by the exit code a command would end with. Others are ours: 500. */
const statusByExitCode: Partial<Record<ExitCode, number>> = {
  [exitCodes.usage]: 400,
  [exitCodes.data]: 422,
  [exitCodes.notFound]: 404,
  [exitCodes.unavailable]: 503,
  [exitCodes.temporary]: 503,
}

/** Errors that say how the job stands rather than what is wrong with the request. */
const statusByCode: Partial<Record<ErrorCode, number>> = {
  JOB_NOT_FINISHED: 409,
  JOB_FAILED: 409,
  JOB_CANCELLED: 409,
  IDEMPOTENCY_KEY_USED: 409,
  ANALYSIS_AMBIGUOUS: 409,
  RESULT_UNAVAILABLE: 410,
  SCHEMA_MISSING: 503,
  SCHEMA_OUTDATED: 503,
  SCHEMA_NEWER: 503,
}

/** Anything thrown as a coded error; what has no code is a defect. */
export function toRouteError(error: unknown): HttpProblem | KilnError {
  if (error instanceof HttpProblem || error instanceof KilnError) return error
  if (isDatabaseError(error)) return databaseError(error)
  return new KilnError('INTERNAL', 'internal error', { cause: error })
}

/** The answer for a failed request. What is not the caller's doing is told by its code alone. */
export function errorReply(error: HttpProblem | KilnError): Reply {
  if (error instanceof HttpProblem) return reply(error.status, error, error.headers)
  const status = statusByCode[error.code] ?? statusByExitCode[error.exitCode] ?? 500
  if (status < 500) return reply(status, error)
  const message = status === 503 ? 'the service cannot answer now' : 'internal error'
  const hint = "the service's log says more"
  const headers = error.isRetryable ? { 'retry-after': '5' } : undefined
  return reply(status, { code: error.code, message, hint }, headers)
}

function reply(
  status: number,
  error: { readonly code: string; readonly message: string; readonly hint: string | undefined },
  headers?: Readonly<Record<string, string>>,
): Reply {
  const { code, message, hint } = error
  return jsonReply(status, { error: { code, message, hint: hint ?? null } }, headers)
}
