export const fieldNames = [
  'second',
  'minute',
  'hour',
  'day-of-month',
  'month',
  'day-of-week',
] as const
export type FieldName = (typeof fieldNames)[number]

interface FieldKind {
  readonly min: number
  readonly max: number
  /** Names that may stand for numbers, from the number `firstName` up. */
  readonly names: readonly string[]
  readonly firstName: number
}

const numbers = (min: number, max: number): FieldKind => ({ min, max, names: [], firstName: 0 })

export const fieldKinds: Readonly<Record<FieldName, FieldKind>> = {
  second: numbers(0, 59),
  minute: numbers(0, 59),
  hour: numbers(0, 23),
  'day-of-month': numbers(1, 31),
  month: {
    min: 1,
    max: 12,
    names: 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' '),
    firstName: 1,
  },
  // 0 and 7 are both Sunday.
  'day-of-week': { min: 0, max: 7, names: 'sun mon tue wed thu fri sat'.split(' '), firstName: 0 },
}

/** Written out as crontab(5) has them. */
export const macros: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
}
