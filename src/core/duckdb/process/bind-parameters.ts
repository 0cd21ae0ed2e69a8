import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  type DuckDBPreparedStatement,
  type DuckDBType,
  DuckDBTypeId,
  INTEGER,
  LIST,
  VARCHAR,
  listValue,
} from '@duckdb/node-api'
import { Refusal } from './refusal.ts'

/** Binds JSON values: text, numbers, booleans, null, lists of one kind; objects as JSON text. */
export function bindParameters(
  statement: DuckDBPreparedStatement,
  params: readonly unknown[],
): DuckDBPreparedStatement {
  const expected = statement.parameterCount
  if (params.length !== expected) {
    throw new Refusal(`the statement has ${expected} parameters, ${params.length} were given`)
  }
  for (const [index, value] of params.entries()) {
    const position = index + 1
    if (value === null || value === undefined) statement.bindNull(position)
    else bindOne(statement, position, value)
  }
  return statement
}

function bindOne(statement: DuckDBPreparedStatement, position: number, value: unknown): void {
  if (typeof value === 'boolean') return statement.bindBoolean(position, value)
  if (typeof value === 'string') return statement.bindVarchar(position, value)
  if (typeof value === 'number') return bindNumber(statement, position, value)
  if (!Array.isArray(value)) return statement.bindVarchar(position, JSON.stringify(value))
  const type = elementType(value, position)
  const items =
    type === BIGINT ? value.map((item) => (item === null ? null : BigInt(item as number))) : value
  statement.bindList(position, listValue(items), LIST(type))
}

function bindNumber(statement: DuckDBPreparedStatement, position: number, value: number): void {
  // `where name = ?` with a number would cast the column to a number instead.
  if (statement.parameterTypeId(position) === DuckDBTypeId.VARCHAR) {
    return statement.bindVarchar(position, String(value))
  }
  if (!Number.isSafeInteger(value)) return statement.bindDouble(position, value)
  // The small type first: DuckDB widens it where needed, and dates take no BIGINT of days.
  if (fitsInteger(value)) return statement.bindInteger(position, value)
  return statement.bindBigInt(position, BigInt(value))
}

function elementType(items: readonly unknown[], position: number): DuckDBType {
  const values = items.filter((item) => item !== null)
  if (values.every((item) => typeof item === 'string')) return VARCHAR
  if (values.every((item) => typeof item === 'boolean')) return BOOLEAN
  if (values.every((item) => typeof item === 'number')) {
    if (!values.every((item) => Number.isSafeInteger(item))) return DOUBLE
    return values.every(fitsInteger) ? INTEGER : BIGINT
  }
  throw new Refusal(
    `parameter ${position} is a list of mixed kinds: send text, numbers or booleans`,
  )
}

function fitsInteger(value: number): boolean {
  return value >= -2_147_483_648 && value <= 2_147_483_647
}
