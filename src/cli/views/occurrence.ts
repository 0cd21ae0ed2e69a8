import type { OccurrencePreview } from '../../core/cron/index.ts'
import type { Column, JsonObject } from '../output/output.ts'
import { field } from '../output/render.ts'

export function occurrenceJson(occurrence: OccurrencePreview): JsonObject {
  return {
    utc: occurrence.utc,
    local: occurrence.local,
    weekday: occurrence.weekday,
    moved: occurrence.isMoved,
    doubled: occurrence.isDoubled,
    note: occurrence.note,
  }
}

export const occurrenceColumns: readonly Column<JsonObject>[] = [
  field('utc', 'utc'),
  field('local', 'local'),
  field('weekday', 'weekday'),
  field('note', 'note'),
]
