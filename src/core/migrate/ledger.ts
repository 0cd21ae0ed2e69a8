import type { Session } from './session.ts'

/** What `kiln_migrations` says of one version. */
export interface LedgerRow {
  readonly version: string
  readonly name: string
  readonly checksum: string
  /** `applying` and `reverting`: a migration without a transaction runs, or died on its way. */
  readonly state: 'applied' | 'applying' | 'reverting'
  readonly appliedAt: string | null
  readonly executionTimeMs: number | null
  readonly programVersion: string | null
  /** Hashes of the statements that have run, of a migration without a transaction. */
  readonly statementsDone: readonly string[]
  /** Hash of the statement that ran when the process was last seen. */
  readonly statementRunning: string | null
}

/**
 * The ledger's definition. Made by the runner and not by a migration, since it must be there
 * before the first; a later version of the program adds its columns with `add column if not exists`.
 */
export const ledgerDefinition = (ledger: string): string => `create table if not exists ${ledger} (
  version text primary key,
  name text not null,
  checksum text not null,
  state text not null default 'applied' check (state in ('applied', 'applying', 'reverting')),
  applied_at timestamptz,
  execution_time_ms bigint,
  program_version text,
  statements_done text[] not null default '{}',
  statement_running text
)`

export async function ledgerExists(session: Session): Promise<boolean> {
  const { rows } = await session.query<{ found: boolean }>(
    'select to_regclass($1) is not null as found',
    [session.ledger],
  )
  return rows[0]?.found ?? false
}

/** All rows, in no order; none when the ledger does not exist. Writes nothing. */
export async function readLedger(session: Session): Promise<readonly LedgerRow[]> {
  if (!(await ledgerExists(session))) return []
  const { rows } = await session.query<LedgerRow>(
    `select
       version,
       name,
       checksum,
       state,
       applied_at as "appliedAt",
       execution_time_ms as "executionTimeMs",
       program_version as "programVersion",
       statements_done as "statementsDone",
       statement_running as "statementRunning"
     from ${session.ledger}`,
  )
  return rows
}
