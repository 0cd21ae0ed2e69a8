import type { Context } from '../../core/context.ts'
import type { JobEnd } from '../../core/executor/index.ts'
import { type Job, jobError, jobJson } from '../../core/jobs/index.ts'
import { readResult } from '../../core/results/index.ts'
import type { Json, ValueOutput } from '../output/output.ts'
import { resultCsv, resultTable } from './result.ts'

/**
 * The outcome of a run. As JSON it is the job with its `result`; else it is the result alone, a
 * table for a person when it is rows. A job without a result ends the command with its error.
 */
export async function runOutput(
  context: Pick<Context, 'database' | 'settings'>,
  job: Job,
  options: {
    readonly asTable: boolean
    /** Of a job that ran here: its text keeps the script's order of fields, which jsonb does not. */
    readonly end?: JobEnd
  },
): Promise<ValueOutput> {
  const { asTable, end } = options
  const error = jobError(job)
  const resultText =
    job.status !== 'completed'
      ? undefined
      : end?.status === 'completed'
        ? end.resultText
        : await readResult(context, job)
  const result = resultText === undefined ? null : (JSON.parse(resultText) as Json)
  const table = asTable && resultText !== undefined ? resultTable(resultText) : undefined
  const csv = resultText === undefined ? undefined : resultCsv(resultText)
  return {
    kind: 'value',
    json: JSON.stringify({ ...jobJson(job), result }),
    text: table ?? (resultText === undefined ? '' : JSON.stringify(result, null, 2)),
    isTextJson: table === undefined,
    name: job.id,
    ...(csv === undefined ? {} : { csv }),
    ...(error ? { error } : {}),
  }
}
