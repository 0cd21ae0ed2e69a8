import type { ProjectInfo } from '../../core/jobs/index.ts'
import type { Column, JsonObject, RecordOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'
import { age } from './age.ts'

export function projectJson(project: ProjectInfo): JsonObject {
  return {
    id: project.id,
    name: project.name,
    max_concurrent: project.maxConcurrent,
    analysis_count: project.analysisCount,
    running_jobs: project.runningJobs,
    waiting_jobs: project.waitingJobs,
    home_folder: project.homeFolder,
    created_at: project.createdAt,
  }
}

export const projectColumns: readonly Column<JsonObject>[] = [
  field('id', 'id'),
  field('analyses', 'analysis_count'),
  field('running', 'running_jobs'),
  field('waiting', 'waiting_jobs'),
  { header: 'at a time', text: (project) => plainText(project.max_concurrent ?? 'no limit') },
  { header: 'created', text: (project) => age(project.created_at) },
  field('name', 'name', true),
  field('home folder', 'home_folder', true),
]

export function projectRecord(project: ProjectInfo): RecordOutput {
  return {
    kind: 'record',
    record: projectJson(project),
    name: plainText(project.id),
    fields: [
      ['id', plainText(project.id)],
      ['name', plainText(project.name ?? '-')],
      ['analyses', String(project.analysisCount)],
      ['running', String(project.runningJobs)],
      ['waiting', String(project.waitingJobs)],
      ['at a time', project.maxConcurrent === null ? 'no limit' : String(project.maxConcurrent)],
      ['home folder', plainText(project.homeFolder ?? '-')],
      ['created', project.createdAt],
    ],
  }
}
