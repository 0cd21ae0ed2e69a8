import {
  type AppliedMigration,
  type MigrationProgress,
  type MigrationStatus,
  describeHolders,
} from '../../core/migrate/index.ts'
import type { Column, JsonObject } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'
import { age } from './age.ts'

export function migrationJson(status: MigrationStatus): JsonObject {
  return {
    version: status.version,
    name: status.name,
    state: status.state,
    applied_at: status.row?.appliedAt ?? null,
    execution_time_ms: status.row?.executionTimeMs ?? null,
    program_version: status.row?.programVersion ?? null,
    checksum: status.row?.checksum ?? null,
    file_checksum: status.migration?.checksum ?? null,
  }
}

export const migrationColumns: readonly Column<JsonObject>[] = [
  field('version', 'version'),
  field('name', 'name'),
  field('state', 'state'),
  { header: 'applied', text: (item) => age(item.applied_at) },
  field('applied at', 'applied_at', true),
  field('program', 'program_version', true),
  field('checksum', 'checksum', true),
]

export function appliedJson(applied: AppliedMigration): JsonObject {
  return {
    version: applied.version,
    name: applied.name,
    execution_time_ms: applied.executionTimeMs,
  }
}

export const appliedColumns: readonly Column<JsonObject>[] = [
  field('version', 'version'),
  field('name', 'name'),
  { header: 'took', text: (item) => `${plainText(item.execution_time_ms)} ms` },
]

/** The line for stderr; undefined for what the output itself will say. */
export function progressText(event: MigrationProgress): string | undefined {
  switch (event.kind) {
    case 'waiting_for_lock':
      return `waiting for the migration lock, held by ${describeHolders(event.holders)}`
    case 'retrying':
      return `${event.version}: a lock is held by ${describeHolders(event.blockers)}; letting others pass, then trying again`
    case 'invalid_index_dropped':
      return `${event.version}: dropped the invalid index ${event.index} that was left of a build that did not finish`
    case 'started':
    case 'finished':
      return undefined
  }
}
