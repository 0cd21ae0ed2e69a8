import { KilnError, messageOf } from '../../errors/index.ts'
import { type ArrayText, parseArrayText } from './array-text.ts'
import type { JsonBuffer } from './json-buffer.ts'
import { formatDateText, formatTimeText, formatTimestampText } from './time-text.ts'
import { type TypeInfo, typeId } from './type-ids.ts'

/** Writes one value that is not null, given as the bytes of Postgres' text format. */
export type Encode = (out: JsonBuffer, bytes: Buffer, start: number, end: number) => void

/** The encoder of a column; docs/datasources.md lists what becomes what. */
export function encoderFor(type: TypeInfo, column: string, exact: boolean): Encode {
  if (type.element) return arrayEncoder(encoderFor(type.element, column, exact), column)
  switch (type.id) {
    case typeId.int2:
    case typeId.int4:
    case typeId.oid:
    case typeId.xid:
    case typeId.cid:
    case typeId.json:
    case typeId.jsonb:
      return (out, bytes, start, end) => out.writeBytes(bytes, start, end)
    case typeId.int8:
    case typeId.xid8:
      return integerEncoder(column)
    case typeId.float4:
    case typeId.float8:
      return numberEncoder(column)
    case typeId.numeric:
      return exact ? quoteText : numberEncoder(column)
    case typeId.bool:
      return (out, bytes, start) => out.writeText(bytes[start] === 0x74 ? 'true' : 'false')
    case typeId.bytea:
      return convert(column, (text) => {
        if (!text.startsWith(String.raw`\x`)) throw new Error('bytes that are not in hex')
        return Buffer.from(text.slice(2), 'hex').toString('base64')
      })
    case typeId.date:
      return convert(column, formatDateText)
    case typeId.timestamp:
    case typeId.timestamptz:
      return convert(column, formatTimestampText)
    case typeId.time:
    case typeId.timetz:
      return convert(column, formatTimeText)
    default:
      return quoteText
  }
}

const quoteText: Encode = (out, bytes, start, end) => out.writeQuoted(bytes, start, end)

/** The text of the value, made another text. */
function convert(column: string, format: (text: string) => string): Encode {
  return (out, bytes, start, end) => {
    let text: string
    try {
      text = format(bytes.toString('latin1', start, end))
    } catch (error) {
      throw refusal(`column ${JSON.stringify(column)} has ${messageOf(error)}`)
    }
    out.writeText(`"${text}"`)
  }
}

const largest = 2n ** 53n

const isExact = (text: string): boolean => BigInt(text) <= largest && BigInt(text) >= -largest

/** Up to 15 digits are below 2^53 whatever they are, so most values are only copied. */
function integerEncoder(column: string): Encode {
  return (out, bytes, start, end) => {
    if (end - start > 15) {
      const text = bytes.toString('latin1', start, end)
      if (!isExact(text)) {
        throw refusal(`column ${JSON.stringify(column)} has ${text}, beyond 2^53: cast it to text`)
      }
    }
    out.writeBytes(bytes, start, end)
  }
}

/** The digits are a JSON number as they are; its reader makes the nearest double of them. */
function numberEncoder(column: string): Encode {
  return (out, bytes, start, end) => {
    const last = bytes[end - 1] as number
    // NaN, Infinity, -Infinity end in a letter.
    if (last > 0x39) return quoteText(out, bytes, start, end)
    if (end - start > 300 && !Number.isFinite(Number(bytes.toString('latin1', start, end)))) {
      throw refusal(
        `column ${JSON.stringify(column)} has a number beyond 1.8e308: ask for exact, or cast it to text`,
      )
    }
    out.writeBytes(bytes, start, end)
  }
}

function arrayEncoder(encode: Encode, column: string): Encode {
  const write = (out: JsonBuffer, items: ArrayText): void => {
    out.writeText('[')
    for (const [index, item] of items.entries()) {
      if (index > 0) out.writeText(',')
      if (item === null) out.writeText('null')
      else if (typeof item === 'string') {
        const bytes = Buffer.from(item)
        encode(out, bytes, 0, bytes.length)
      } else write(out, item)
    }
    out.writeText(']')
  }
  return (out, bytes, start, end) => {
    let items: ArrayText
    try {
      items = parseArrayText(bytes.toString('utf8', start, end))
    } catch (error) {
      throw refusal(`column ${JSON.stringify(column)} has ${messageOf(error)}`)
    }
    write(out, items)
  }
}

function refusal(message: string): KilnError {
  return new KilnError('DATASOURCE_ERROR', message)
}
