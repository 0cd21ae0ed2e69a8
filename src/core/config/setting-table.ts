import { availableParallelism } from 'node:os'
import path from 'node:path'
import {
  type SettingDefinition,
  cronRule,
  define,
  flag,
  folder,
  logLevel,
  oneOf,
  optional,
  sizeFrom,
  text,
  time,
  wholeNumber,
} from './setting-parsers.ts'

const none = undefined
const day = 86_400
/** The rule of a task of Kiln itself. */
const rule = (name: string, what: string): SettingDefinition<string | undefined> =>
  define(name, cronRule, none, `when the service ${what}`)
/** Beyond 30 days a limit in seconds is more likely a mistake of unit. */
const mostSeconds = 30 * day
/** A hundred years: for ever, and still a date that Postgres can compute with. */
const mostDays = 36_500

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
  databaseReadonlyUrl: define(
    'DATABASE_READONLY_URL',
    optional(text),
    none,
    'the Postgres that commands use which only read; unset: the same as the others',
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
  sandboxCpuMs: define(
    'ANALYSIS_SANDBOX_CPU_SECONDS',
    optional(time(1000, 'seconds', mostSeconds)),
    none,
    'most CPU time of a script, all threads of its process; unset: twice its running time and 1 s',
  ),
  sandboxMemoryBytes: define(
    'ANALYSIS_SANDBOX_MEMORY_LIMIT',
    {
      expected: 'a size from 16MB to 64GB',
      parse: (value) => {
        const bytes = sizeFrom(16 * 1024 ** 2, '16MB').parse(value)
        return bytes !== undefined && bytes <= 64 * 1024 ** 3 ? bytes : undefined
      },
    },
    256 * 1024 ** 2,
    "most memory of a script's heap",
  ),
  resultRetentionMs: define(
    'ANALYSIS_RESULT_RETENTION_DAYS',
    time(day * 1000, 'days', mostDays),
    90 * day * 1000,
    'age at which cleanup deletes stored results and log lines',
  ),
  jobRetentionMs: define(
    'ANALYSIS_JOB_RETENTION_DAYS',
    time(day * 1000, 'days', mostDays),
    365 * day * 1000,
    'age at which cleanup deletes ended jobs, never before their results',
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
    'where commands find the service over HTTP; may hold a user and a password',
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
  aggregationSchedule: rule('AGGREGATION_SCHEDULE', 'brings the daily figures of jobs up to date'),
  backupSchedule: rule('BACKUP_SCHEDULE', 'makes a backup set of everything'),
  backupVerifySchedule: rule('BACKUP_VERIFY_SCHEDULE', 'verifies the latest backup set, all of it'),
  backupPruneSchedule: rule('BACKUP_PRUNE_SCHEDULE', 'prunes backup sets by the usual rules'),
  cleanupSchedule: rule('CLEANUP_SCHEDULE', 'cleans up as kiln cleanup does'),
  viewRefreshSchedule: rule(
    'VIEW_REFRESH_SCHEDULE',
    "refreshes the materialised views in the schema of Kiln's tables",
  ),
  scheduleTimezone: define(
    'SCHEDULE_TIMEZONE',
    text,
    'UTC',
    'time zone of these rules, such as Europe/Berlin',
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
  backupRepository: define(
    'BACKUP_REPOSITORY',
    optional(folder),
    none,
    'folder of backup sets; unset: backups in the data folder',
  ),
  backupPassphrase: define(
    'BACKUP_PASSPHRASE',
    optional(text),
    none,
    'encrypts backup sets and opens encrypted ones',
    true,
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
    sizeFrom(1024, '1KB'),
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
