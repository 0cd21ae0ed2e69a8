/**
 * Text of dates and times. One rule for both kinds of datasource: a fraction has six digits and is
 * absent when it is zero; years outside 0000 to 9999 are written as ISO 8601 and JavaScript's
 * Date read them, with a sign and six digits.
 */
const dayMicros = 86_400_000_000n
const dayMs = 86_400_000

/** Days since 1970-01-01 as `2024-01-02`, `-000043-03-15` or `+012000-01-01`. */
export function formatDays(days: number): string {
  const ms = days * dayMs
  // JavaScript's Date ends in the year 275760, DuckDB's DATE does not.
  if (Math.abs(ms) <= 8.64e15) {
    const text = new Date(ms).toISOString()
    return text.slice(0, text.indexOf('T'))
  }
  const { year, month, day } = civilFromDays(days)
  const sign = year < 0 ? '-' : '+'
  return `${sign}${String(Math.abs(year)).padStart(6, '0')}-${pad(month)}-${pad(day)}`
}

/** Microseconds since 1970-01-01T00:00:00Z as RFC 3339. */
export function formatTimestamp(micros: bigint): string {
  const small = Number(micros)
  // Exact in a double from the year 1684 to 2255, which is nearly every timestamp there is.
  if (Number.isSafeInteger(small)) {
    const day = Math.floor(small / 86_400_000_000)
    return `${recentDay(day)}T${formatClock(small - day * 86_400_000_000)}Z`
  }
  const time = ((micros % dayMicros) + dayMicros) % dayMicros
  return `${formatDays(Number((micros - time) / dayMicros))}T${formatTime(time)}Z`
}

let lastDay = 0
let lastDayText = '1970-01-01'

/** Rows next to each other often share their day, and writing a date is what costs. */
function recentDay(day: number): string {
  if (day !== lastDay) {
    lastDay = day
    lastDayText = formatDays(day)
  }
  return lastDayText
}

/** Nanoseconds since 1970; nine digits only where the last three are not zero. */
export function formatNanoseconds(nanos: bigint): string {
  const rest = ((nanos % 1000n) + 1000n) % 1000n
  const text = formatTimestamp((nanos - rest) / 1000n)
  if (rest === 0n) return text
  const whole = text.includes('.') ? text.slice(0, -1) : `${text.slice(0, -1)}.000000`
  return `${whole}${String(rest).padStart(3, '0')}Z`
}

/** Microseconds since midnight as `23:59:59.000001`; `24:00:00` is kept. */
export function formatTime(micros: bigint): string {
  return formatClock(Number(micros))
}

function formatClock(micros: number): string {
  const seconds = Math.floor(micros / 1_000_000)
  const fraction = micros - seconds * 1_000_000
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  const clock = `${pad(hours)}:${pad(minutes - hours * 60)}:${pad(seconds - minutes * 60)}`
  return fraction === 0 ? clock : `${clock}.${String(fraction + 1_000_000).slice(1)}`
}

/** Seconds east of Greenwich as `+00`, `+05:30`, `-00:00:15`. */
export function formatOffset(offset: number): string {
  const seconds = Math.abs(offset)
  const minutes = Math.floor(seconds / 60) % 60
  const rest = seconds % 60
  const sign = offset < 0 ? '-' : '+'
  const tail = rest > 0 ? `:${pad(minutes)}:${pad(rest)}` : minutes > 0 ? `:${pad(minutes)}` : ''
  return `${sign}${pad(Math.floor(seconds / 3600))}${tail}`
}

/** An interval as ISO 8601, in the form Postgres prints: `P1Y2M3DT4H5M6.5S`, `PT0S`. */
export function formatInterval(months: number, days: number, micros: bigint): string {
  const years = Math.trunc(months / 12)
  const date = `${part(years, 'Y')}${part(months % 12, 'M')}${part(days, 'D')}`
  const hours = micros / 3_600_000_000n
  const minutes = (micros / 60_000_000n) % 60n
  const rest = micros % 60_000_000n
  const sign = rest < 0n ? '-' : ''
  const size = rest < 0n ? -rest : rest
  const fraction = String(size % 1_000_000n)
    .padStart(6, '0')
    .replace(/0+$/, '')
  const seconds =
    rest === 0n ? '' : `${sign}${size / 1_000_000n}${fraction === '' ? '' : `.${fraction}`}S`
  const time = `${part(hours, 'H')}${part(minutes, 'M')}${seconds}`
  if (date === '' && time === '') return 'PT0S'
  return time === '' ? `P${date}` : `P${date}T${time}`
}

function part(value: number | bigint, unit: string): string {
  // Loose on purpose: zero is 0 or 0n.
  return Number(value) === 0 ? '' : `${value}${unit}`
}

const twoDigits = Array.from({ length: 100 }, (_, value) => String(value).padStart(2, '0'))

function pad(value: number): string {
  return twoDigits[value] ?? String(value)
}

/** Proleptic Gregorian calendar, as Howard Hinnant's `civil_from_days` computes it. */
function civilFromDays(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
  }
}
