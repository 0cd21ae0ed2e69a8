import {
  type DuckDBConnection,
  type DuckDBExtractedStatements,
  type DuckDBPreparedStatement,
  StatementType,
} from '@duckdb/node-api'
import { bindParameters } from './bind-parameters.ts'
import { Refusal } from './refusal.ts'

/**
 * Statements a script may send, by the type DuckDB's own parser gives them. A list of what is
 * allowed, since the rest grows with every release. COPY is not among them for a reason beyond
 * tidiness: attaching a database puts its file and its WAL among the paths that SQL may write,
 * read-only or not, so that `COPY … TO 'warehouse.duckdb'` would overwrite the datasource.
 */
const allowed: ReadonlySet<StatementType> = new Set([
  StatementType.SELECT,
  StatementType.INSERT,
  StatementType.UPDATE,
  StatementType.DELETE,
  StatementType.MERGE_INTO,
  StatementType.CREATE,
  StatementType.ALTER,
  StatementType.DROP,
  StatementType.ANALYZE,
  StatementType.VACUUM,
])

const reasons: Partial<Record<keyof typeof StatementType, string>> = {
  TRANSACTION: 'the job decides about transactions',
  CALL: 'use select … from the function; CHECKPOINT and logging belong to Kiln',
  COPY: 'use ctx.duckdb.export, or select from read_csv, read_json or read_parquet',
  EXPORT: 'use ctx.duckdb.export',
  ATTACH: 'declare the database as a datasource',
  DETACH: 'declared datasources stay attached',
  SET: 'the configuration is locked',
  VARIABLE_SET: 'the configuration is locked',
  PRAGMA: 'the configuration is locked',
  LOAD: 'extensions cannot be loaded',
}

// Without comments in it: what follows is then the same text to the parser alone and in place.
const explainHead = /^\s*explain\s+(?:analyze\s+|\([^()]*\)\s*)?/i

/** Parses, checks and binds one statement. Refuses several, none, and the types not allowed. */
export async function prepareStatement(
  connection: DuckDBConnection,
  sql: string,
  params: readonly unknown[],
): Promise<DuckDBPreparedStatement> {
  // Logging to a file is accepted although the configuration is locked, and every statement after
  // it fails. A script that hides the name harms its own instance only: it is never shared.
  if (/\b(?:en|dis)able_logging\b/i.test(sql)) throw new Refusal('logging cannot be switched')
  const head = explainHead.exec(sql)
  const statements = await extractOne(connection, head ? sql.slice(head[0].length) : sql)
  const checked = await statements.prepare(0)
  const type = checked.statementType
  if (!allowed.has(type)) {
    checked.destroySync()
    throw new Refusal(refusalOf(type))
  }
  if (!head) return bindParameters(checked, params)
  checked.destroySync()
  return bindParameters(await connection.prepare(sql), params)
}

async function extractOne(
  connection: DuckDBConnection,
  sql: string,
): Promise<DuckDBExtractedStatements> {
  if (sql.trim() === '') throw new Refusal('the statement is empty')
  const statements = await connection.extractStatements(sql)
  if (statements.count === 1) return statements
  if (statements.count === 0) throw new Refusal('the statement is empty')
  throw new Refusal(
    'one statement per call (a PIVOT without IN (…), IMPORT and COPY FROM DATABASE are several)',
  )
}

function refusalOf(type: StatementType): string {
  const name = StatementType[type] as keyof typeof StatementType
  const reason = reasons[name]
  return `${name} statements are not allowed${reason === undefined ? '' : `: ${reason}`}`
}
