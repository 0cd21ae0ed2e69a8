import type { CsvColumn } from '../../duckdb/index.ts'
import { KilnError } from '../../errors/index.ts'
import type { Column } from './describe.ts'
import { typeId } from './type-ids.ts'

/** How one column travels: what Postgres selects, and what DuckDB makes of the field. */
export interface CsvPlan {
  /** Expression over the column `$column`; the column itself unless told. */
  readonly select?: string
  readonly csv: CsvColumn
  /** Read again through `csv` of this plan where the file holds a date before Christ. */
  readonly beforeChrist?: CsvColumn
}

/** DuckDB types whose text in CSV is read exactly as Postgres wrote it. */
const direct: Readonly<Record<number, string>> = {
  [typeId.bool]: 'BOOLEAN',
  [typeId.int2]: 'SMALLINT',
  [typeId.int4]: 'INTEGER',
  [typeId.int8]: 'BIGINT',
  [typeId.oid]: 'UINTEGER',
  [typeId.xid]: 'UINTEGER',
  [typeId.cid]: 'UINTEGER',
  [typeId.xid8]: 'UBIGINT',
  [typeId.float4]: 'FLOAT',
  [typeId.float8]: 'DOUBLE',
  [typeId.time]: 'TIME',
  [typeId.timetz]: 'TIME WITH TIME ZONE',
  [typeId.uuid]: 'UUID',
  [typeId.json]: 'JSON',
  [typeId.jsonb]: 'JSON',
}

const calendar: Readonly<Record<number, string>> = {
  [typeId.date]: 'DATE',
  [typeId.timestamp]: 'TIMESTAMP',
  [typeId.timestamptz]: 'TIMESTAMP WITH TIME ZONE',
}

/**
 * The plan of a column. Every value arrives exact or the load fails naming the column; types that
 * DuckDB does not have arrive as Postgres' own text.
 *
 * @throws KilnError DATASOURCE_ERROR for a column that cannot be carried over.
 */
export function planColumn(column: Column): CsvPlan {
  const { name, type } = column
  if (type.element) return planArray(column)
  const known = direct[type.id]
  if (known !== undefined) return { csv: { name, readAs: known } }
  const calendarType = calendar[type.id]
  if (calendarType !== undefined) {
    return {
      csv: { name, readAs: calendarType },
      // DuckDB reads 0044-03-15 BC as the year 44 after, without a word.
      beforeChrist: { name, readAs: 'VARCHAR', expression: fromText(calendarType, '$field') },
    }
  }
  switch (type.id) {
    case typeId.numeric: {
      const decimal = decimalType(column.typeModifier)
      return decimal === undefined
        ? { csv: { name, readAs: 'VARCHAR', isOpenDecimal: true } }
        : { csv: { name, readAs: decimal } }
    }
    case typeId.bytea:
      return { csv: { name, readAs: 'VARCHAR', expression: fromText('BLOB', '$field') } }
    case typeId.interval:
      // None of Postgres' interval styles is read back exactly: negative parts change their sign.
      return { select: intervalParts, csv: { name, readAs: 'INTERVAL' } }
    default:
      return { csv: { name, readAs: 'VARCHAR' } }
  }
}

const intervalParts = [
  "(extract(year from $column) * 12 + extract(month from $column))::int8 || ' months '",
  "extract(day from $column)::int8 || ' days '",
  `(extract(hour from $column) * 3600000000 + extract(minute from $column) * 60000000
    + extract(microseconds from $column))::int8 || ' microseconds'`,
].join(' || ')

/** As a JSON list of Postgres' texts, so that no element passes through a JSON number. */
function planArray({ name, type, typeModifier }: Column): CsvPlan {
  const element = type.element ?? type
  const elementType = elementTypeOf(element.id, typeModifier)
  if (elementType === undefined) {
    throw new KilnError(
      'DATASOURCE_ERROR',
      `column ${JSON.stringify(name)} is ${type.name}, which cannot be loaded exactly: cast it to text[]${element.id === typeId.numeric ? ' or numeric(p, s)[]' : ''}`,
    )
  }
  const texts = '$field::json::varchar[]'
  const values =
    elementType === 'VARCHAR'
      ? texts
      : `list_transform(${texts}, lambda item: ${fromText(elementType, 'item')})`
  const refusal = "error('an array of several dimensions: unnest it, or cast it to text')"
  const isDeep = "json_type($field::json, '$[0]') = 'ARRAY'"
  return {
    select: 'pg_catalog.to_json($column::text[])',
    csv: {
      name,
      readAs: 'VARCHAR',
      expression: `case when ${isDeep} then ${refusal} else ${values} end`,
    },
  }
}

function elementTypeOf(id: number, typeModifier: number): string | undefined {
  if (id === typeId.numeric) return decimalType(typeModifier)
  if (id === typeId.interval) return undefined
  if (id === typeId.bytea) return 'BLOB'
  return direct[id] ?? calendar[id] ?? 'VARCHAR'
}

/** A DuckDB expression that makes the value of Postgres' text of it. */
function fromText(type: string, text: string): string {
  switch (type) {
    case 'BLOB':
      return `unhex(${text}[3:])`
    case 'DATE':
    case 'TIMESTAMP':
    case 'TIMESTAMP WITH TIME ZONE':
      return String.raw`regexp_replace(${text}, '^(\S+)( \S+)? BC$', '\1 (BC)\2')::${type}`
    default:
      return `${text}::${type}`
  }
}

/** DECIMAL for declared digits; undefined when none are declared, or more than DECIMAL holds. */
function decimalType(typeModifier: number): string | undefined {
  if (typeModifier < 4) return undefined
  const precision = ((typeModifier - 4) >> 16) & 0xffff
  // Eleven bits with a sign, since Postgres 15.
  const scale = (((typeModifier - 4) & 0x7ff) ^ 1024) - 1024
  const width = Math.max(precision - Math.min(scale, 0), scale)
  return width > 38 ? undefined : `DECIMAL(${width}, ${Math.max(scale, 0)})`
}
