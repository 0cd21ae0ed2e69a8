/** Days of the month that a rule names. */
export interface DayRule {
  /** By number, 1 to 31. */
  readonly days: ReadonlySet<number>
  readonly includesLast: boolean
  /** False for `*` and `?`, which leave the choice to the other day field. */
  readonly isRestricted: boolean
}

/** Days of the week that a rule names; Sunday is 0. */
export interface WeekdayRule {
  readonly weekdays: ReadonlySet<number>
  /** `5#3`: the third Friday of the month. */
  readonly nth: readonly { readonly weekday: number; readonly n: number }[]
  /** `5L`: the last Friday of the month. */
  readonly last: ReadonlySet<number>
  readonly isRestricted: boolean
}

/** A cron expression, read. Lists of numbers ascend. */
export interface CronRule {
  /** With single blanks between the fields, otherwise as it was written. */
  readonly expression: string
  /** The five or six fields; a macro is written out. */
  readonly fields: readonly string[]
  readonly hasSeconds: boolean
  readonly seconds: readonly number[]
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
  readonly months: ReadonlySet<number>
  readonly dayOfMonth: DayRule
  readonly dayOfWeek: WeekdayRule
  /**
   * True when the minute or hour field begins with `*`: such a rule follows elapsed time through a
   * change of the zone, any other names times of the day that happen once.
   */
  readonly isWildcard: boolean
}
