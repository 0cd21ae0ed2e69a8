import type { DailyFigures, DailyPage, JobStatistics } from '../../core/jobs/index.ts'
import { formatDuration } from '../../core/units/index.ts'
import type { Json, JsonObject, ListOutput, RecordOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'

function figuresJson(figures: DailyFigures): JsonObject {
  return {
    day: figures.day,
    analysis_id: figures.analysisId,
    analysis_name: figures.analysisName,
    project_id: figures.projectId,
    total: figures.jobs,
    completed: figures.completed,
    failed: figures.failed,
    cancelled: figures.cancelled,
    success_rate: figures.successRate,
    duration_p50_ms: figures.durationP50Ms,
    duration_p95_ms: figures.durationP95Ms,
    wait_p50_ms: figures.waitP50Ms,
    wait_p95_ms: figures.waitP95Ms,
  }
}

const time = (ms: Json | undefined): string => (ms == null ? '-' : formatDuration(Number(ms)))

/** Daily figures of jobs, as a list. */
export const dailyFiguresList = ({ figures, nextCursor }: DailyPage): ListOutput => ({
  kind: 'list',
  items: figures.map(figuresJson),
  columns: [
    field('day', 'day'),
    field('analysis', 'analysis_name'),
    field('project', 'project_id', true),
    field('total', 'total'),
    field('completed', 'completed'),
    field('failed', 'failed'),
    field('cancelled', 'cancelled'),
    { header: 'p50', text: (item) => time(item.duration_p50_ms) },
    { header: 'p95', text: (item) => time(item.duration_p95_ms) },
    { header: 'wait p50', text: (item) => time(item.wait_p50_ms), isWide: true },
    { header: 'wait p95', text: (item) => time(item.wait_p95_ms), isWide: true },
  ],
  nextCursor,
  name: (item) => plainText(item.day),
  empty: 'no figures yet: AGGREGATION_SCHEDULE takes them, see docs/schedules.md',
})

/** Figures of the jobs created since an instant, as a record. */
export function statisticsRecord(stats: JobStatistics, since: string): RecordOutput {
  const { total, pending, waiting, running, completed, failed, cancelled } = stats
  return {
    kind: 'record',
    name: String(total),
    record: {
      since,
      total,
      by_status: { pending, running, completed, failed, cancelled },
      success_rate: stats.successRate,
      duration_p50_ms: stats.durationP50Ms,
      duration_p95_ms: stats.durationP95Ms,
      wait_p50_ms: stats.waitP50Ms,
      wait_p95_ms: stats.waitP95Ms,
      waiting,
    },
    fields: [
      ['since', since],
      ['total', String(total)],
      [
        'pending',
        waiting > 0 ? `${pending}, ${waiting} of them waiting for a limit` : String(pending),
      ],
      ['running', String(running)],
      ['completed', String(completed)],
      ['failed', String(failed)],
      ['cancelled', String(cancelled)],
      [
        'success rate',
        stats.successRate === null ? '-' : `${(100 * stats.successRate).toFixed(1)} %`,
      ],
      ['duration p50', time(stats.durationP50Ms)],
      ['duration p95', time(stats.durationP95Ms)],
      ['wait p50', time(stats.waitP50Ms)],
      ['wait p95', time(stats.waitP95Ms)],
    ],
  }
}
