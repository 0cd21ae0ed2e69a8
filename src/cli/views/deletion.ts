import type { AnalysisBelongings, DeletionOutcome } from '../../core/results/index.ts'
import { formatSize } from '../../core/units/index.ts'
import type { JsonObject, ListOutput } from '../output/output.ts'
import { field } from '../output/render.ts'
import { analysesBulk, failedOutcome } from './analyses-bulk.ts'

/** What `analysis delete` answers. */
export function deletionOutput(outcomes: readonly DeletionOutcome[]): ListOutput {
  return analysesBulk(
    outcomes.map((one) =>
      'error' in one
        ? failedOutcome(one.word, one.error)
        : { ...one, outcome: 'deleted', fields: belongingsJson(one.belongings) },
    ),
    ['deleted'],
    [
      field('versions', 'versions'),
      field('jobs', 'jobs'),
      field('schedules', 'schedules'),
      field('result files', 'result_files'),
    ],
  )
}

function belongingsJson(belongings: AnalysisBelongings): JsonObject {
  return {
    versions: belongings.versions,
    jobs: belongings.jobs,
    schedules: belongings.schedules,
    result_files: belongings.resultFiles,
    result_bytes: belongings.resultBytes,
    metadata_keys: belongings.metadataKeys,
  }
}

/** What would be deleted, as the question that is asked first; undefined when there is nothing. */
export function deletionQuestion(preview: readonly DeletionOutcome[]): string | undefined {
  const texts = preview.flatMap((one) =>
    'analysis' in one
      ? [`${one.analysis.projectId}/${one.analysis.name} (${belongingsText(one.belongings)})`]
      : [],
  )
  return texts.length === 0 ? undefined : `delete ${texts.join(', ')}`
}

function belongingsText(belongings: AnalysisBelongings): string {
  const { versions, jobs, runningJobs, schedules, resultFiles, resultBytes } = belongings
  const running = runningJobs === 0 ? '' : `, ${runningJobs} of them running`
  const size = resultFiles === 0 ? '' : ` of ${formatSize(resultBytes)}`
  return [
    counted(versions, 'version'),
    counted(jobs, 'job') + running,
    counted(schedules, 'schedule'),
    counted(resultFiles, 'result file') + size,
    counted(belongings.metadataKeys, 'kept value'),
  ]
    .filter((text) => !text.startsWith('0 '))
    .join(', ')
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`
