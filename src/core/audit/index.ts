/**
 * The audit log: one row for each change an operator makes, written in the transaction of that
 * change. Enqueue, claim and finish of jobs are not changes of an operator. A task seals the rows into
 * a chain of hashes, by which a changed or missing row is found.
 */
export { type AuditFilter, type AuditRow, listAudit } from './list-audit.ts'
export { type AuditEntry, recordAudit, recordAudits } from './record-audit.ts'
export { sealAudit } from './seal-audit.ts'
export {
  type AuditFinding,
  type AuditVerdict,
  type KnownSeal,
  sealVerified,
  verifyAudit,
} from './verify-audit.ts'
