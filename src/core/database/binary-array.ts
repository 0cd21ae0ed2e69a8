/** Type ids of Postgres. */
const types = { uuid: 2950, text: 25, float8: 701, int8: 20 } as const

const headerBytes = 20
const lengthBytes = 4
const nullLength = -1

/**
 * One-dimensional arrays in the binary format of the wire protocol, which a statement takes as a
 * parameter whose type is that array: the server reads them in a fraction of the time that their text
 * takes, and nothing in them needs quotes. Source: `array_recv` and the `recv` function of each type
 * in the server. An empty one has no dimensions.
 */
export function uuidArray(ids: readonly string[]): Buffer {
  const bytes = 16
  const array = begin(types.uuid, ids.length, ids.length * (lengthBytes + bytes), false)
  let at = headerBytes
  let last = ''
  for (const id of ids) {
    at = array.writeInt32BE(bytes, at)
    // The tokens of one claim follow each other.
    if (id === last) array.copyWithin(at, at - lengthBytes - bytes, at - lengthBytes)
    else writeUuid(array, id, at)
    last = id
    at += bytes
  }
  return array
}

/** The driver's way, by text without hyphens, makes three texts of each id. */
function writeUuid(array: Buffer, id: string, start: number): void {
  let at = start
  for (let index = 0; index < id.length; index += 2) {
    if (id.charCodeAt(index) === hyphen) index += 1
    array[at] = (hexDigit(id.charCodeAt(index)) << 4) | hexDigit(id.charCodeAt(index + 1))
    at += 1
  }
}

const hyphen = 45
const hexDigit = (code: number): number => (code <= 57 ? code - 48 : (code | 32) - 87)

/** See `uuidArray`. */
export function float8Array(values: readonly (number | null)[]): Buffer {
  return numbers(types.float8, values, (array, value, at) => array.writeDoubleBE(value, at))
}

/** See `uuidArray`; whole numbers below 2^53. */
export function int8Array(values: readonly (number | null)[]): Buffer {
  return numbers(types.int8, values, (array, value, at) => {
    const high = Math.floor(value / 2 ** 32)
    array.writeInt32BE(high, at)
    array.writeUInt32BE(value - high * 2 ** 32, at + 4)
  })
}

function numbers(
  type: number,
  values: readonly (number | null)[],
  write: (array: Buffer, value: number, at: number) => unknown,
): Buffer {
  const bytes = 8
  const present = values.reduce<number>((count, value) => count + (value === null ? 0 : 1), 0)
  const size = values.length * lengthBytes + present * bytes
  const array = begin(type, values.length, size, present < values.length)
  let at = headerBytes
  for (const value of values) {
    at = array.writeInt32BE(value === null ? nullLength : bytes, at)
    if (value === null) continue
    write(array, value, at)
    at += bytes
  }
  return array
}

/** See `uuidArray`. */
export function textArray(texts: readonly (string | null)[]): Buffer {
  let size = 0
  let hasNull = false
  for (const text of texts) {
    size += lengthBytes + (text === null ? 0 : Buffer.byteLength(text))
    hasNull ||= text === null
  }
  const array = begin(types.text, texts.length, size, hasNull)
  let at = headerBytes
  for (const text of texts) {
    const start = at + lengthBytes
    const bytes = text === null ? 0 : array.write(text, start)
    array.writeInt32BE(text === null ? nullLength : bytes, at)
    at = start + bytes
  }
  return array
}

function begin(type: number, length: number, size: number, hasNull: boolean): Buffer {
  const array = Buffer.allocUnsafe(length === 0 ? 12 : headerBytes + size)
  array.writeInt32BE(length === 0 ? 0 : 1, 0)
  array.writeInt32BE(hasNull ? 1 : 0, 4)
  array.writeInt32BE(type, 8)
  if (length === 0) return array
  array.writeInt32BE(length, 12)
  array.writeInt32BE(1, 16)
  return array
}
