import { availableParallelism } from 'node:os'
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

interface Parser<T> {
  readonly expected: string
  readonly parse: (text: string) => T | undefined
}

const text: Parser<string> = { expected: 'text', parse: (value) => value }

const wholeNumber = (least: number, most: number): Parser<number> => ({
  expected: `a whole number from ${least} to ${most}`,
  parse: (value) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN
    return number >= least && number <= most ? number : undefined
  },
})

/** A number in `unitMs`, kept in milliseconds. */
const time = (unitMs: number, unit: string, most: number): Parser<number> => ({
  expected: `a number of ${unit} above 0, at most ${most}`,
  parse: (value) => {
    const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN
    return number > 0 && number <= most ? Math.round(number * unitMs) : undefined
  },
})

const size: Parser<number> = { expected: 'a size such as 256MB', parse: parseSize }

const flag: Parser<boolean> = {
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

const oneOf = <T extends string>(...values: readonly T[]): Parser<T> => ({
  expected: `one of ${values.join(', ')}`,
  parse: (value) => values.find((candidate) => candidate === value.toLowerCase()),
})

const levels = oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent')

/** Also as RUST_LOG has it, `info,sqlx=warn`: the level without a target counts. */
const logLevel: typeof levels = {
  expected: levels.expected,
  parse: (value) => {
    const bare = value.split(',').find((part) => !part.includes('='))
    return bare === undefined ? 'info' : levels.parse(bare.trim())
  },
}

const folder: Parser<string> = { expected: 'a path', parse: (value) => path.resolve(value) }

const optional = <T>(parser: Parser<T>): Parser<T | undefined> => parser

function define<T>(
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

const none = undefined
const day = 86_400
/** Beyond 30 days a limit in seconds is more likely a mistake of unit. */
const mostSeconds = 30 * day

/**
 * Every setting of Kiln. Durations are milliseconds and sizes bytes once read, whatever unit the
 * setting's name carries.
 */
export const settingTable = {
  environment: define('ENVIRONMENT', text, 'production', 'names the .env.<ENVIRONMENT> file'),
  databaseUrl: define(
    'DATABASE_URL',
    optional(text),
    none,
    'the Postgres to use; unset: a private Postgres in the data folder',
    true,
  ),
  databasePoolSize: define(
    'DATABASE_POOL_SIZE',
    wholeNumber(1, 1000),
    20,
    'connections a long-running process may open',
  ),
  dataDir: define(
    'ANALYSIS_DATA_DIR',
    folder,
    () => path.resolve('analysis-data'),
    'folder of results, project databases and the private Postgres',
  ),
  maxConcurrentJobs: define(
    'MAX_CONCURRENT_JOBS',
    wholeNumber(1, 1000),
    () => Math.min(10, 2 * availableParallelism()),
    'jobs one executor runs at a time',
  ),
  jobTimeoutMs: define(
    'ANALYSIS_JOB_TIMEOUT_SECONDS',
    time(1000, 'seconds', mostSeconds),
    1_800_000,
    'most time a whole job may take',
  ),
  sandboxTimeoutMs: define(
    'ANALYSIS_SANDBOX_TIMEOUT_SECONDS',
    time(1000, 'seconds', mostSeconds),
    300_000,
    "most time a script's own code may run",
  ),
  sandboxMemoryBytes: define(
    'ANALYSIS_SANDBOX_MEMORY_LIMIT',
    {
      expected: 'a size from 16MB to 64GB',
      parse: (value) => {
        const bytes = parseSize(value)
        if (bytes === undefined || bytes < 16 * 1024 ** 2 || bytes > 64 * 1024 ** 3)
          return undefined
        return bytes
      },
    },
    256 * 1024 ** 2,
    "most memory of a script's heap",
  ),
  metricsEnabled: define('ANALYSIS_METRICS_ENABLED', flag, true, 'serve /metrics'),
  metricsIntervalMs: define(
    'ANALYSIS_METRICS_INTERVAL_SECONDS',
    time(1000, 'seconds', mostSeconds),
    30_000,
    'how often the service logs its statistics',
  ),
  executorPort: define(
    'ANALYSIS_EXECUTOR_PORT',
    wholeNumber(0, 65_535),
    8002,
    'port of the service',
  ),
  executorUrl: define(
    'ANALYSIS_EXECUTOR_URL',
    optional(text),
    none,
    'where commands find the service over HTTP',
  ),
  apiToken: define(
    'ANALYSIS_API_TOKEN',
    optional({
      expected: 'text of 16 to 1024 visible ASCII characters',
      parse: (value) => (/^[\x21-\x7e]{16,1024}$/.test(value) ? value : undefined),
    }),
    none,
    'bearer token of the HTTP requests that queue and read jobs; unset: those are off',
    true,
  ),
  drainTimeoutMs: define(
    'ANALYSIS_DRAIN_TIMEOUT_SECONDS',
    time(1000, 'seconds', mostSeconds),
    60_000,
    'how long a stopping service waits for its running jobs before it hands them back',
  ),
  pollIntervalMs: define(
    'POLL_INTERVAL_MS',
    time(1, 'milliseconds', 60_000),
    1000,
    'how often the queue is looked at without a notification',
  ),
  maxExportRows: define(
    'MAX_EXPORT_ROWS',
    wholeNumber(1, 1_000_000_000),
    100_000,
    'most rows of an exported result',
  ),
  scheduleMinIntervalMs: define(
    'ANALYSIS_SCHEDULE_MIN_INTERVAL_SECONDS',
    time(1000, 'seconds', mostSeconds),
    60_000,
    'setting a schedule that fires more often than this gives a warning',
  ),
  queryTimeoutMs: define(
    'QUERY_TIMEOUT',
    time(1000, 'seconds', mostSeconds),
    30_000,
    'most time of one datasource query',
  ),
  allowedFileRoots: define(
    'ANALYSIS_FILE_ROOTS',
    {
      expected: 'folders separated by colons',
      parse: (value) =>
        value
          .split(path.delimiter)
          .filter(Boolean)
          .map((part) => path.resolve(part)),
    },
    (): string[] => [],
    'folders, besides the data folder and the working folder, from which file datasources may read',
  ),
  host: define('HOST', text, '127.0.0.1', 'address of the service'),
  logLevel: define('LOG_LEVEL', logLevel, 'info' as const, 'least level that is logged'),
  logFormat: define(
    'LOG_FORMAT',
    optional(oneOf('json', 'text')),
    none,
    'json or text; unset: text on a terminal, else json',
  ),
  logFile: define('LOG_FILE', optional(text), none, 'file the service logs to, besides stderr'),
  logMaxSizeBytes: define(
    'LOG_MAX_SIZE',
    size,
    100 * 1024 ** 2,
    'size at which the log file rolls',
  ),
  logBackupCount: define(
    'LOG_BACKUP_COUNT',
    wholeNumber(0, 1000),
    5,
    'rolled log files that are kept',
  ),
} as const

/** Other names under which a setting is found, in order, after its own. */
export const settingAliases: Readonly<Record<string, readonly string[]>> = {
  MAX_CONCURRENT_JOBS: ['ANALYSIS_MAX_CONCURRENT_JOBS'],
  LOG_LEVEL: ['RUST_LOG'],
}

type Table = typeof settingTable

/** The settings in force, read once and never changed afterwards. */
export type Settings = {
  readonly [Key in keyof Table]: Table[Key] extends SettingDefinition<infer T> ? T : never
}
export type SettingKey = keyof Table
