import {
  type DuckDBArrayValue,
  type DuckDBBlobValue,
  type DuckDBDateValue,
  type DuckDBDecimalValue,
  type DuckDBIntervalValue,
  type DuckDBListValue,
  type DuckDBMapValue,
  type DuckDBStructValue,
  type DuckDBTimeNSValue,
  type DuckDBTimeTZValue,
  type DuckDBTimeValue,
  type DuckDBTimestampMillisecondsValue,
  type DuckDBTimestampNanosecondsValue,
  type DuckDBTimestampSecondsValue,
  type DuckDBTimestampValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBUnionValue,
  type DuckDBValue,
} from '@duckdb/node-api'
import { Refusal } from './refusal.ts'
import {
  formatDays,
  formatInterval,
  formatNanoseconds,
  formatOffset,
  formatTime,
  formatTimestamp,
} from './temporal.ts'

/** JSON text of one value that is not NULL. */
export type Encode = (value: DuckDBValue) => string

interface EncoderContext {
  /** Named in refusals. */
  readonly column: string
  /** Decimals as strings with all their digits. */
  readonly exact: boolean
}

const quote = JSON.stringify
// oxlint-disable-next-line no-control-regex -- these are the characters JSON wants escaped
const special = /["\\\u0000-\u001f]/

/** Three times as fast as JSON.stringify for the short texts that columns hold. */
function quoteText(text: string): string {
  return special.test(text) ? quote(text) : `"${text}"`
}

const infinity = 9_223_372_036_854_775_807n
const largest = 2n ** 53n

/** The encoder of a type; docs/datasources.md lists what becomes what. */
export function encoderFor(type: DuckDBType, context: EncoderContext): Encode {
  switch (type.typeId) {
    case DuckDBTypeId.BOOLEAN:
    case DuckDBTypeId.TINYINT:
    case DuckDBTypeId.SMALLINT:
    case DuckDBTypeId.INTEGER:
    case DuckDBTypeId.UTINYINT:
    case DuckDBTypeId.USMALLINT:
    case DuckDBTypeId.UINTEGER:
      return String
    case DuckDBTypeId.BIGINT:
    case DuckDBTypeId.UBIGINT:
    case DuckDBTypeId.HUGEINT:
    case DuckDBTypeId.UHUGEINT:
    case DuckDBTypeId.BIGNUM:
      return integerEncoder(context)
    case DuckDBTypeId.FLOAT:
      return (value) => encodeNumber(shortestFloat(value as number))
    case DuckDBTypeId.DOUBLE:
      return (value) => encodeNumber(value as number)
    case DuckDBTypeId.DECIMAL:
      // The digits are a JSON number as they are; its reader makes the nearest double of them.
      return context.exact
        ? (value) => `"${decimalText(value as DuckDBDecimalValue)}"`
        : (value) => decimalText(value as DuckDBDecimalValue)
    case DuckDBTypeId.VARCHAR:
      return type.alias === 'JSON' ? jsonEncoder(context) : (value) => quoteText(value as string)
    case DuckDBTypeId.ENUM:
      return (value) => quote(value as string)
    case DuckDBTypeId.UUID:
    case DuckDBTypeId.BIT:
      return (value) => `"${String(value)}"`
    case DuckDBTypeId.BLOB:
      return (value) => `"${Buffer.from((value as DuckDBBlobValue).bytes).toString('base64')}"`
    case DuckDBTypeId.SQLNULL:
      return () => 'null'
    case DuckDBTypeId.LIST: {
      const encode = encoderFor(type.valueType, context)
      return (value) => encodeItems((value as DuckDBListValue).items, encode)
    }
    case DuckDBTypeId.ARRAY: {
      const encode = encoderFor(type.valueType, context)
      return (value) => encodeItems((value as DuckDBArrayValue).items, encode)
    }
    case DuckDBTypeId.STRUCT:
      return structEncoder(type.entryNames, type.entryTypes, context)
    case DuckDBTypeId.MAP:
      return mapEncoder(type.keyType, type.valueType, context)
    case DuckDBTypeId.UNION: {
      const members = type.memberTypes.map((member) => encoderFor(member, context))
      return (value) => {
        const member = value as DuckDBUnionValue
        const encode = members[type.memberTags.indexOf(member.tag)]
        return member.value === null || !encode ? 'null' : encode(member.value)
      }
    }
    default:
      return temporalEncoder(type, context)
  }
}

function temporalEncoder(type: DuckDBType, context: EncoderContext): Encode {
  switch (type.typeId) {
    case DuckDBTypeId.DATE:
      return (value) => encodeDate((value as DuckDBDateValue).days)
    case DuckDBTypeId.TIMESTAMP:
    case DuckDBTypeId.TIMESTAMP_TZ:
      return (value) => encodeTimestamp((value as DuckDBTimestampValue).micros, formatTimestamp)
    case DuckDBTypeId.TIMESTAMP_S:
      return (value) =>
        encodeTimestamp((value as DuckDBTimestampSecondsValue).seconds, (seconds) =>
          formatTimestamp(seconds * 1_000_000n),
        )
    case DuckDBTypeId.TIMESTAMP_MS:
      return (value) =>
        encodeTimestamp((value as DuckDBTimestampMillisecondsValue).millis, (millis) =>
          formatTimestamp(millis * 1000n),
        )
    case DuckDBTypeId.TIMESTAMP_NS:
      return (value) =>
        encodeTimestamp((value as DuckDBTimestampNanosecondsValue).nanos, formatNanoseconds)
    case DuckDBTypeId.TIME:
      return (value) => `"${formatTime((value as DuckDBTimeValue).micros)}"`
    case DuckDBTypeId.TIME_NS:
      return (value) => {
        const text = formatNanoseconds((value as DuckDBTimeNSValue).nanos)
        return `"${text.slice(text.indexOf('T') + 1, -1)}"`
      }
    case DuckDBTypeId.TIME_TZ:
      return (value) => {
        const time = value as DuckDBTimeTZValue
        return `"${formatTime(time.micros)}${formatOffset(time.offset)}"`
      }
    case DuckDBTypeId.INTERVAL:
      return (value) => {
        const { months, days, micros } = value as DuckDBIntervalValue
        return `"${formatInterval(months, days, micros)}"`
      }
    default:
      throw new Refusal(
        `column ${quote(context.column)} has the type ${String(type)}: cast it to text`,
      )
  }
}

function integerEncoder({ column }: EncoderContext): Encode {
  return (value) => {
    const integer = value as bigint
    if (integer > largest || integer < -largest) {
      throw new Refusal(`column ${quote(column)} has ${integer}, beyond 2^53: cast it to text`)
    }
    return String(integer)
  }
}

function encodeNumber(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`
  return Object.is(value, -0) ? '-0' : String(value)
}

/** The shortest decimal that is the same 32-bit float, as Postgres prints it: 0.1, not 0.10000000149. */
function shortestFloat(value: number): number {
  for (let digits = 6; digits < 9; digits += 1) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return value
}

function decimalText({ value, scale }: DuckDBDecimalValue): string {
  if (scale === 0) return String(value)
  const sign = value < 0n ? '-' : ''
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0')
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/** DuckDB's JSON also takes NaN and trailing commas, which other readers of JSON refuse. */
function jsonEncoder({ column }: EncoderContext): Encode {
  return (value) => {
    try {
      JSON.parse(value as string)
    } catch {
      throw new Refusal(`column ${quote(column)} has JSON that is not standard: cast it to text`)
    }
    return value as string
  }
}

function encodeItems(items: readonly DuckDBValue[], encode: Encode): string {
  return `[${items.map((item) => (item === null ? 'null' : encode(item))).join(',')}]`
}

function structEncoder(
  names: readonly string[],
  types: readonly DuckDBType[],
  context: EncoderContext,
): Encode {
  if (new Set(names).size !== names.length || names.includes('') || names.includes('__proto__')) {
    throw new Refusal(
      `column ${quote(context.column)} is a struct without proper field names: name each field`,
    )
  }
  const fields = names.map((name, index) => ({
    name,
    key: `${quote(name)}:`,
    encode: encoderFor(types[index] as DuckDBType, context),
  }))
  return (value) => {
    const { entries } = value as DuckDBStructValue
    const parts = fields.map(({ name, key, encode }) => {
      const entry = entries[name] ?? null
      return key + (entry === null ? 'null' : encode(entry))
    })
    return `{${parts.join(',')}}`
  }
}

const nestedTypes: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.LIST,
  DuckDBTypeId.ARRAY,
  DuckDBTypeId.STRUCT,
  DuckDBTypeId.MAP,
  DuckDBTypeId.UNION,
])

/** A map is an object whose keys are the text of the map's keys. */
function mapEncoder(keyType: DuckDBType, valueType: DuckDBType, context: EncoderContext): Encode {
  if (nestedTypes.has(keyType.typeId)) {
    throw new Refusal(`column ${quote(context.column)} is a map with nested keys: cast it to text`)
  }
  const encodeKey = encoderFor(keyType, context)
  const encodeValue = encoderFor(valueType, context)
  return (value) => {
    const parts = (value as DuckDBMapValue).entries.map((entry) => {
      const key = encodeKey(entry.key)
      const text = entry.value === null ? 'null' : encodeValue(entry.value)
      return `${key.startsWith('"') ? key : `"${key}"`}:${text}`
    })
    return `{${parts.join(',')}}`
  }
}

function encodeDate(days: number): string {
  if (days === 2_147_483_647) return '"infinity"'
  if (days === -2_147_483_647) return '"-infinity"'
  return `"${formatDays(days)}"`
}

function encodeTimestamp(units: bigint, format: (units: bigint) => string): string {
  if (units === infinity) return '"infinity"'
  if (units === -infinity) return '"-infinity"'
  return `"${format(units)}"`
}
