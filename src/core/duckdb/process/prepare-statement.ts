import {
  type DuckDBConnection,
  type DuckDBExtractedStatements,
  type DuckDBPreparedStatement,
  StatementType,
} from '@duckdb/node-api'
import { bindParameters } from './bind-parameters.ts'
import { refuseOwnSchema } from './identifiers.ts'
import { Refusal } from './refusal.ts'

/**
 * What a script may send, by its first word: EXPORT makes its folder and DEALLOCATE counts as DROP
 * before DuckDB tells the type of a statement.
 */
const firstWords: ReadonlySet<string> = new Set(
  (
    'select with from values table describe desc show summarize explain pivot unpivot ' +
    'insert update delete merge truncate create alter drop comment analyze vacuum'
  ).split(' '),
)

/**
 * And by the type DuckDB's own parser gives it. Lists of what is allowed, since the rest grows with
 * every release. COPY is not among them for a reason beyond tidiness: attaching a database puts its
 * file and its WAL among the paths that SQL may write, read-only or not, so that
 * `COPY … TO 'warehouse.duckdb'` would overwrite the datasource.
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

const transactions = 'the job decides about transactions'
const configuration = 'the configuration is locked'
const reasons: Readonly<Record<string, string>> = {
  ATTACH: 'declare the database as a datasource',
  BEGIN: transactions,
  CALL: 'select from the function',
  CHECKPOINT: transactions,
  COMMIT: transactions,
  COPY: 'use ctx.duckdb.export, or select from read_csv, read_json or read_parquet',
  DETACH: 'declared datasources stay attached',
  EXPORT: 'use ctx.duckdb.export',
  INSTALL: 'extensions cannot be loaded',
  LOAD: 'extensions cannot be loaded',
  PRAGMA: configuration,
  RESET: configuration,
  ROLLBACK: transactions,
  SET: configuration,
  USE: 'write the name of the database before that of the table',
}

const firstWord = /^(?:[\s(]|--[^\n]*(?:\n|$)|\/\*[^]*?\*\/)*([a-z]\w*)?/i

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
  refuseOwnSchema(sql)
  const word = firstWord.exec(sql)?.[1]
  if (word === undefined) throw new Refusal('the statement is empty')
  if (!firstWords.has(word.toLowerCase())) throw new Refusal(refusalOf(word.toUpperCase()))
  const head = explainHead.exec(sql)
  const statements = await extractOne(connection, head ? sql.slice(head[0].length) : sql)
  const checked = await statements.prepare(0)
  const type = checked.statementType
  if (!allowed.has(type)) {
    checked.destroySync()
    throw new Refusal(refusalOf(StatementType[type]))
  }
  if (!head) return bindParameters(checked, params)
  checked.destroySync()
  return bindParameters(await connection.prepare(sql), params)
}

async function extractOne(
  connection: DuckDBConnection,
  sql: string,
): Promise<DuckDBExtractedStatements> {
  const statements = await connection.extractStatements(sql)
  if (statements.count === 1) return statements
  if (statements.count === 0) throw new Refusal('the statement is empty')
  throw new Refusal(
    'one statement per call (a PIVOT without IN (…), IMPORT and COPY FROM DATABASE are several)',
  )
}

function refusalOf(kind: string): string {
  const reason = reasons[kind]
  return `${kind} statements are not allowed${reason === undefined ? '' : `: ${reason}`}`
}
