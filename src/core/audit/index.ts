/**
 * The audit log: one row for each change an operator makes, written in the transaction of that
 * change. Enqueue, claim and finish of jobs are not changes of an operator.
 */
export { type AuditEntry, recordAudit } from './record-audit.ts'
