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
  sealed: row.hash !== null,
  previous_hash: row.previousHash,
  hash: row.hash,
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
export function verdictOutput(verdict: AuditVerdict): RecordOutput {
  const { findings, lastSealedId, lastHash } = verdict
  return {
    kind: 'record',
    record: {
      status: findings.length === 0 ? 'ok' : 'broken',
      sealed: verdict.sealed,
      unsealed: verdict.unsealed,
      last_sealed_id: lastSealedId,
      last_id: lastSealedId,
      last_hash: lastHash,
      sealed_at: verdict.sealedAt,
      findings: findings.map(({ kind, id, message }) => ({ kind, id, message })),
    },
    fields: [
      ['status', findings.length === 0 ? 'ok' : 'broken'],
      ['sealed', String(verdict.sealed)],
      ['unsealed', String(verdict.unsealed)],
      // As --expect takes it.
      ['last seal', lastHash === null ? 'none' : `${lastSealedId}:${lastHash}`],
      ...findings.map(({ kind, message }): [string, string] => [kind, message]),
    ],
    name: findings.length === 0 ? 'ok' : 'broken',
    exitCode: findings.length === 0 ? exitCodes.ok : exitCodes.no,
  }
}
