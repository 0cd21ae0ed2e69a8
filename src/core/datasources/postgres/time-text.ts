/**
 * Postgres' texts of dates and times (DateStyle ISO, TimeZone UTC) in the form both kinds of
 * datasource share: RFC 3339, a fraction of six digits or none, years outside 0000 to 9999 signed
 * with six digits. What does not look as expected throws: a statement can change how its own
 * session prints.
 */
const date = /^(\d{4,})-(\d\d-\d\d)( BC)?$/
const timestamp =
  /^(\d{4,})-(\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d{1,6})?([+-]\d\d(?::\d\d){0,2})?( BC)?$/
const time = /^(\d\d:\d\d:\d\d)(\.\d{1,6})?([+-]\d\d(?::\d\d){0,2})?$/

export function formatDateText(text: string): string {
  if (text === 'infinity' || text === '-infinity') return text
  const match = date.exec(text)
  if (!match) throw unexpected('date', text)
  const [, year = '', rest = '', era] = match
  return `${formatYear(year, era !== undefined)}-${rest}`
}

export function formatTimestampText(text: string): string {
  if (text === 'infinity' || text === '-infinity') return text
  const match = timestamp.exec(text)
  if (!match) throw unexpected('timestamp', text)
  const [, year = '', rest = '', clock = '', fraction, offset = '+00', era] = match
  if (!/^[+-]00(?::00){0,2}$/.test(offset)) throw unexpected('timestamp', text)
  return `${formatYear(year, era !== undefined)}-${rest}T${clock}${formatFraction(fraction)}Z`
}

export function formatTimeText(text: string): string {
  const match = time.exec(text)
  if (!match) throw unexpected('time', text)
  const [, clock = '', fraction, offset = ''] = match
  return `${clock}${formatFraction(fraction)}${offset}`
}

function formatFraction(fraction: string | undefined): string {
  return fraction === undefined ? '' : fraction.padEnd(7, '0')
}

/** The year 1 BC is the year 0 of ISO 8601. */
function formatYear(digits: string, isBeforeChrist: boolean): string {
  if (!isBeforeChrist) return digits.length === 4 ? digits : `+${digits.padStart(6, '0')}`
  const year = Number(digits) - 1
  return year === 0 ? '0000' : `-${String(year).padStart(6, '0')}`
}

function unexpected(kind: string, text: string): Error {
  return new Error(`a ${kind} in an unexpected form: ${text.slice(0, 80)}`)
}
