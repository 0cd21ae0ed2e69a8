import path from 'node:path'
import { parseSize } from '../units/index.ts'

/**
 * One setting: how its text is read, its default, and what a refused value should have looked
 * like. `isSecret` settings are masked wherever they are shown.
 */
export interface SettingDefinition<T> {
  readonly name: string
  readonly description: string
  readonly expected: string
  readonly isSecret: boolean
  /** Undefined refuses the text. */
  readonly parse: (text: string) => T | undefined
  readonly fallback: () => T
}

export interface Parser<T> {
  readonly expected: string
  readonly parse: (text: string) => T | undefined
}

export const text: Parser<string> = { expected: 'text', parse: (value) => value }

export const wholeNumber = (least: number, most: number): Parser<number> => ({
  expected: `a whole number from ${least} to ${most}`,
  parse: (value) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN
    return number >= least && number <= most ? number : undefined
  },
})

/** A number in `unitMs`, kept in milliseconds. */
export const time = (unitMs: number, unit: string, most: number): Parser<number> => ({
  expected: `a number of ${unit} above 0, at most ${most}`,
  parse: (value) => {
    const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN
    // What rounds to nothing would poll without a pause, or keep nothing at all.
    const ms = Math.round(number * unitMs)
    return ms > 0 && number <= most ? ms : undefined
  },
})

export const sizeFrom = (leastBytes: number, least: string): Parser<number> => ({
  expected: `a size such as 256MB, at least ${least}`,
  parse: (value) => {
    const bytes = parseSize(value)
    return bytes !== undefined && bytes >= leastBytes ? bytes : undefined
  },
})

export const flag: Parser<boolean> = {
  expected: 'true or false',
  parse: (value) =>
    ({
      true: true,
      '1': true,
      yes: true,
      on: true,
      false: false,
      '0': false,
      no: false,
      off: false,
    })[value.toLowerCase()],
}

export const oneOf = <T extends string>(...values: readonly T[]): Parser<T> => ({
  expected: `one of ${values.join(', ')}`,
  parse: (value) => values.find((candidate) => candidate === value.toLowerCase()),
})

const levels = oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent')

/** Also as RUST_LOG has it, `info,sqlx=warn`: the level without a target counts. */
export const logLevel: typeof levels = {
  expected: levels.expected,
  parse: (value) => {
    const bare = value.split(',').find((part) => !part.includes('='))
    return bare === undefined ? 'info' : levels.parse(bare.trim())
  },
}

export const folder: Parser<string> = { expected: 'a path', parse: (value) => path.resolve(value) }

export const optional = <T>(parser: Parser<T>): Parser<T | undefined> => parser

export function define<T>(
  name: string,
  parser: Parser<T>,
  fallback: T | (() => T),
  description: string,
  isSecret = false,
): SettingDefinition<T> {
  return {
    name,
    description,
    isSecret,
    expected: parser.expected,
    parse: parser.parse,
    fallback: typeof fallback === 'function' ? (fallback as () => T) : () => fallback,
  }
}

/** Only its shape: what the fields mean is read when a service starts. */
export const cronRule: Parser<string | undefined> = {
  expected: 'a cron rule such as "0 3 * * *", or off',
  parse: (value) => (/^(off|@\w+|\S+(\s+\S+){4,5})$/i.test(value) ? value : undefined),
}
