import type { AuditRow, AuditVerdict } from '../../core/audit/index.ts'
import { exitCodes } from '../../core/errors/index.ts'
import type { Column, Json, JsonObject, RecordOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'
import { age } from './age.ts'

export const auditJson = (row: AuditRow): JsonObject => ({
  id: row.id,
  occurred_at: row.occurredAt,
  actor: row.actor,
  source: row.source,
  action: row.action,
  target_type: row.targetType,
  target_id: row.targetId,
  target_name: row.targetName,
  details: row.details as Json,
  before_hash: row.beforeHash,
  after_hash: row.afterHash,
  host: row.host,
  pid: row.pid,
  sealed: row.isSealed,
})

export const auditColumns: readonly Column<JsonObject>[] = [
  field('id', 'id'),
  { header: 'when', text: (item) => age(item.occurred_at) },
  field('occurred at', 'occurred_at', true),
  field('actor', 'actor'),
  field('source', 'source', true),
  field('action', 'action'),
  { header: 'target', text: (item) => plainText(item.target_name ?? item.target_id) },
  field('details', 'details', true),
  { header: 'sealed', text: (item) => (item.sealed === true ? 'yes' : 'no') },
]

/** What `kiln audit verify` answers. */
export function verdictOutput(verdict: AuditVerdict, newlySealed: number): RecordOutput {
  const { findings } = verdict
  return {
    kind: 'record',
    record: {
      status: findings.length === 0 ? 'ok' : 'broken',
      sealed: verdict.sealed + newlySealed,
      unsealed: verdict.unsealed - newlySealed,
      last_sealed_id: verdict.lastSealedId,
      sealed_at: verdict.sealedAt,
      findings: findings.map(({ kind, id, message }) => ({ kind, id, message })),
    },
    fields: [
      ['status', findings.length === 0 ? 'ok' : 'broken'],
      ['sealed', String(verdict.sealed + newlySealed)],
      ['unsealed', String(verdict.unsealed - newlySealed)],
      ...findings.map(({ kind, message }): [string, string] => [kind, message]),
    ],
    name: findings.length === 0 ? 'ok' : 'broken',
    exitCode: findings.length === 0 ? exitCodes.ok : exitCodes.no,
  }
}
