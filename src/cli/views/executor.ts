import type { DrainedExecutor, ExecutorInfo } from '../../core/jobs/index.ts'
import type { Column, JsonObject } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'
import { age } from './age.ts'

export function executorJson(executor: ExecutorInfo): JsonObject {
  return {
    id: executor.id,
    label: executor.label,
    kind: executor.kind,
    state: executor.state,
    host: executor.host,
    pid: executor.pid,
    concurrency: executor.concurrency,
    running_jobs: executor.runningJobs,
    program_version: executor.programVersion,
    started_at: executor.startedAt,
    beat_at: executor.beatAt,
    beat_age_ms: executor.beatAgeMs,
    stopped_at: executor.stoppedAt,
  }
}

export const executorColumns: readonly Column<JsonObject>[] = [
  field('id', 'id'),
  field('label', 'label'),
  field('kind', 'kind'),
  field('state', 'state'),
  {
    header: 'jobs',
    text: (executor) => `${plainText(executor.running_jobs)} of ${plainText(executor.concurrency)}`,
  },
  { header: 'last beat', text: (executor) => age(executor.beat_at) },
  { header: 'started', text: (executor) => age(executor.started_at) },
  field('host', 'host', true),
  field('pid', 'pid', true),
  field('version', 'program_version', true),
]

export function drainedJson(executor: DrainedExecutor): JsonObject {
  return {
    id: executor.id,
    label: executor.label,
    state: 'draining',
    running_jobs: executor.runningJobs,
  }
}

export const drainedColumns: readonly Column<JsonObject>[] = [
  field('id', 'id'),
  field('label', 'label'),
  field('state', 'state'),
  field('jobs', 'running_jobs'),
]
