import type { Analysis, SetActiveOutcome } from '../../core/analyses/index.ts'
import { KilnError } from '../../core/errors/index.ts'
import type { Column, JsonObject, ListOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'
import { bulkOutput } from './bulk.ts'

/** What a command did to one of the analyses that it was given. */
export interface AnalysisOutcome {
  /** As it was named. */
  readonly word: string
  readonly outcome: string
  readonly analysis?: Analysis
  readonly error?: KilnError
  /** More to tell of it. */
  readonly fields?: JsonObject
}

/** The outcome of a command over analyses: a line for each, and the error of those that failed. */
export function analysesBulk(
  outcomes: readonly AnalysisOutcome[],
  good: readonly string[],
  columns: readonly Column<JsonObject>[] = [],
): ListOutput {
  return bulkOutput(outcomes.map(outcomeJson), {
    good,
    empty: 'no analyses',
    errors: outcomes.flatMap(({ error }) => error ?? []),
    columns: [
      field('analysis', 'name'),
      field('outcome', 'outcome'),
      field('project', 'project_id'),
      ...columns,
      field('reason', 'error_message'),
    ],
    label: (item) => plainText(item.name),
    notFound: (names) =>
      new KilnError('ANALYSIS_NOT_FOUND', `there is no analysis ${names}`, {
        hint: 'run: kiln analysis list',
      }),
  })
}

function outcomeJson({ word, outcome, analysis, error, fields }: AnalysisOutcome): JsonObject {
  return {
    id: analysis?.id ?? null,
    name: analysis?.name ?? word,
    project_id: analysis?.projectId ?? null,
    outcome,
    ...fields,
    error_code: error?.code ?? null,
    error_message: error?.message ?? null,
  }
}

/** What kept a command from an analysis, as an outcome. */
export const failedOutcome = (word: string, error: KilnError): AnalysisOutcome => ({
  word,
  outcome: error.code === 'ANALYSIS_NOT_FOUND' ? 'not_found' : 'refused',
  error,
})

/** What `enable` and `disable` answer. */
export function activationOutput(
  outcomes: readonly SetActiveOutcome[],
  done: 'enabled' | 'disabled',
): ListOutput {
  const already = `already_${done}`
  return analysesBulk(
    outcomes.map((one) =>
      'error' in one
        ? failedOutcome(one.word, one.error)
        : { ...one, outcome: one.hasChanged ? done : already },
    ),
    [done, already],
  )
}
