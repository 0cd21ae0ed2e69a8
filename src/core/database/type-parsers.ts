import pg from 'pg'

/** Type ids of Postgres that Kiln's own tables use and pg would turn into something lossy. */
const int8 = 20
const timestamp = 1114
const timestamptz = 1184
const date = 1082

const builtin = pg.types.getTypeParser.bind(pg.types)

/**
 * Parsers for Kiln's own connections: timestamps are RFC 3339 UTC text with their microseconds (a
 * JavaScript Date would drop them and print local time), dates are text, and 64-bit integers are
 * numbers, which holds for every count, size and duration Kiln stores.
 */
export const typeParsers: pg.CustomTypesConfig = {
  getTypeParser(id: number, format?: 'text' | 'binary') {
    if (format === 'binary') return builtin(id as never, 'binary')
    if (id === int8) return Number
    if (id === timestamptz || id === timestamp) return parseAgain
    if (id === date) return String
    return builtin(id as never, 'text')
  },
} as pg.CustomTypesConfig

/** The rows of a statement often have one time in common: that of the statement. */
let last = { text: '', parsed: '' }

function parseAgain(text: string): string {
  if (text !== last.text) last = { text, parsed: parseTimestamp(text) }
  return last.parsed
}

/** `2026-01-02 03:04:05.678901+02` becomes `2026-01-02T01:04:05.678901Z`. */
function parseTimestamp(text: string): string {
  const match =
    /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?(?:([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?)?$/.exec(
      text,
    )
  // Infinity, BC dates and other styles stay as the server wrote them.
  if (!match) return text
  const [, day, time, fraction = '', sign, hours = '0', minutes = '0', seconds = '0'] = match
  const offset = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
  if (offset === 0) return `${day}T${time}${fraction}Z`
  const utc = Date.parse(`${day}T${time}Z`) - (sign === '-' ? -offset : offset) * 1000
  if (Number.isNaN(utc)) return text
  return `${new Date(utc).toISOString().slice(0, -5)}${fraction}Z`
}
