import { type Moment, type RunnableAnalysis, resolveParameters } from '../analyses/index.ts'
import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import { isTimezone } from '../units/index.ts'

/**
 * Checks what somebody asks to be run, so that a mistake is told to the caller and not found in a
 * failed job. The executor checks again, at the job's own instant. Relative dates mean `moment`: now in
 * UTC unless told.
 *
 * @throws KilnError ANALYSIS_INACTIVE, PARAMETER_INVALID.
 */
export function checkRequest(
  { clock }: Pick<Context, 'clock'>,
  analysis: RunnableAnalysis,
  parameters: Readonly<Record<string, unknown>>,
  { now = new Date(clock.now()).toISOString(), timezone = 'UTC' }: Partial<Moment> = {},
): void {
  if (!analysis.isActive) {
    throw new KilnError('ANALYSIS_INACTIVE', `the analysis "${analysis.name}" is disabled`, {
      hint: `enable it: kiln analysis enable ${analysis.name} --project ${analysis.projectId}`,
    })
  }
  if (!analysis.definition) return
  if (!isTimezone(timezone)) {
    throw new KilnError('PARAMETER_INVALID', `the job's time zone "${timezone}" does not exist`)
  }
  resolveParameters(analysis.definition, parameters, { now, timezone })
}
