/**
 * Every error Kiln can report, in one place: its stable code, the exit code a command ends with,
 * and whether the same call may succeed when repeated. `docs/errors.md` is kept equal to this
 * table by a test. Exit codes follow sysexits(3) where one fits, so that systemd units can name
 * them.
 */
export const exitCodes = {
  ok: 0,
  no: 1,
  critical: 2,
  unknown: 3,
  jobFailed: 20,
  jobCancelled: 21,
  jobLimit: 22,
  jobLost: 23,
  partial: 24,
  usage: 64,
  data: 65,
  notFound: 66,
  unavailable: 69,
  software: 70,
  cannotCreate: 73,
  io: 74,
  temporary: 75,
  permission: 77,
  config: 78,
  waitTimeout: 124,
  interrupted: 130,
  terminated: 143,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

interface ErrorDefinition {
  readonly exitCode: ExitCode
  readonly retryable: boolean
  readonly meaning: string
}

const define = (exitCode: ExitCode, meaning: string, retryable = false): ErrorDefinition => ({
  exitCode,
  retryable,
  meaning,
})

export const errorTable = {
  // The command line.
  USAGE: define(exitCodes.usage, 'the command line is wrong'),
  CONFIRMATION_MISSING: define(
    exitCodes.usage,
    'a confirmation is missing and nobody can be asked',
  ),
  INTERRUPTED: define(exitCodes.interrupted, 'SIGINT ended the command'),
  TERMINATED: define(exitCodes.terminated, 'SIGTERM ended the command'),
  PARTIAL: define(exitCodes.partial, 'some items of the command failed, each is named'),
  NOT_DONE: define(exitCodes.no, 'the command ran and could not do what was asked'),
  INTERNAL: define(exitCodes.software, 'a defect in Kiln'),

  // Settings and the machine.
  SETTING_INVALID: define(exitCodes.config, 'a setting has an impossible value'),
  NODE_TOO_OLD: define(exitCodes.config, 'the Node.js that runs Kiln is too old'),
  ISOLATION_MISSING: define(
    exitCodes.config,
    'scripts would share the account of Kiln, and isolation is required',
  ),
  TOOL_MISSING: define(exitCodes.config, 'a program this command needs is not installed'),
  FILE_NOT_FOUND: define(exitCodes.notFound, 'a named file does not exist'),
  FILE_UNREADABLE: define(exitCodes.io, 'a file cannot be read'),
  FILE_EXISTS: define(exitCodes.cannotCreate, 'a file that a command would write exists'),
  FILE_UNWRITABLE: define(exitCodes.cannotCreate, 'a file or folder cannot be created'),
  DISK_FULL: define(exitCodes.cannotCreate, 'no space is left on the device', true),
  PORT_IN_USE: define(exitCodes.temporary, 'another program listens on the port', true),
  PERMISSION_DENIED: define(exitCodes.permission, 'a file mode or a database privilege forbids it'),

  // The database.
  DATABASE_CONNECTION_FAILED: define(exitCodes.unavailable, 'the database cannot be reached', true),
  DATABASE_AUTHENTICATION_FAILED: define(
    exitCodes.permission,
    'the database refuses the user or the password',
  ),
  DATABASE_NOT_FOUND: define(exitCodes.notFound, 'the server has no such database'),
  DATABASE_BUSY: define(exitCodes.temporary, 'the server has no free connection or recovers', true),
  DATABASE_VERSION_UNSUPPORTED: define(exitCodes.config, 'the server is older than Postgres 14'),
  DATABASE_ERROR: define(exitCodes.software, 'the database refused a statement of Kiln'),
  PRIVATE_POSTGRES_FAILED: define(exitCodes.unavailable, 'the private Postgres does not start'),
  PRIVATE_POSTGRES_DOWN: define(
    exitCodes.unavailable,
    'the private Postgres does not run, and this command does not make or start it',
  ),
  PRIVATE_POSTGRES_MISSING: define(
    exitCodes.config,
    'no Postgres binaries for this platform or for this data folder',
  ),
  LOCK_TIMEOUT: define(
    exitCodes.temporary,
    'another session holds the lock, or the two waited for each other',
    true,
  ),
  CLEANUP_UNFINISHED: define(
    exitCodes.temporary,
    'the time for the cleanup was over before everything was looked at',
    true,
  ),

  // Migrations.
  SCHEMA_MISSING: define(exitCodes.config, 'the database has not been migrated'),
  SCHEMA_OUTDATED: define(exitCodes.config, 'the database lacks migrations of this program'),
  SCHEMA_NEWER: define(exitCodes.config, 'the database schema is newer than this program'),
  MIGRATION_DRIFT: define(exitCodes.no, 'an applied migration file was changed'),
  MIGRATION_FAILED: define(exitCodes.no, 'a migration failed and was rolled back'),
  MIGRATION_UNFINISHED: define(
    exitCodes.no,
    'a migration that runs without a transaction stopped half way',
  ),
  MIGRATION_OUT_OF_ORDER: define(
    exitCodes.no,
    'a migration is pending whose version is below one that is applied',
  ),
  MIGRATION_BASELINE_REFUSED: define(
    exitCodes.data,
    'the database has applied migrations, so it takes no baseline',
  ),
  MIGRATION_NOT_FOUND: define(exitCodes.notFound, 'there is no such migration'),
  MIGRATION_INVALID: define(exitCodes.data, 'a migration file cannot be read as one'),
  MIGRATION_IRREVERSIBLE: define(exitCodes.data, 'a migration has no down part'),

  // Analyses.
  PROJECT_NOT_FOUND: define(exitCodes.notFound, 'there is no such project'),
  ANALYSIS_NOT_FOUND: define(exitCodes.notFound, 'there is no such analysis'),
  ANALYSIS_AMBIGUOUS: define(exitCodes.usage, 'several projects have an analysis of this name'),
  ANALYSIS_EXISTS: define(exitCodes.data, 'the project has an analysis of this name'),
  ANALYSIS_INACTIVE: define(exitCodes.data, 'the analysis is disabled'),
  ANALYSIS_IN_USE: define(exitCodes.data, 'other analyses declare the analysis'),
  ANALYSIS_BUSY: define(exitCodes.temporary, 'jobs of the analysis are running', true),
  ANALYSIS_INVALID: define(exitCodes.no, 'the script is not a valid analysis'),
  VERSION_NOT_FOUND: define(exitCodes.notFound, 'the analysis has no such version'),
  PARAMETER_INVALID: define(exitCodes.data, 'a parameter is missing, unknown or of a wrong type'),
  OPTIONS_FAILED: define(exitCodes.no, 'the script could not say the options of a parameter'),
  DEPENDENCY_MISSING: define(exitCodes.data, 'a declared datasource or analysis does not exist'),
  DEPENDENCY_CYCLE: define(exitCodes.data, 'analyses depend on each other in a circle'),

  // Jobs.
  JOB_NOT_FOUND: define(exitCodes.notFound, 'there is no such job'),
  JOB_FAILED: define(exitCodes.jobFailed, 'the job failed'),
  JOB_CANCELLED: define(exitCodes.jobCancelled, 'the job was cancelled'),
  JOB_LIMIT: define(exitCodes.jobLimit, 'the job hit its time, memory, CPU or result limit'),
  JOB_LOST: define(exitCodes.jobLost, 'the executor of the job died', true),
  JOB_NOT_FINISHED: define(exitCodes.no, 'the job has not finished'),
  IDEMPOTENCY_KEY_USED: define(
    exitCodes.data,
    'the idempotency key is that of a job with other parameters',
  ),
  WAIT_TIMEOUT: define(exitCodes.waitTimeout, 'the time to wait ran out, the job goes on', true),
  LIMITS_FULL: define(exitCodes.temporary, 'a concurrency limit leaves no room now', true),
  PROJECT_DATABASE_HELD: define(
    exitCodes.data,
    'a job needs the project database that the job which called it has',
  ),
  PROJECT_DATABASE_ELSEWHERE: define(
    exitCodes.config,
    'the project database is in another data folder',
  ),
  PROJECT_DATABASE_BUSY: define(exitCodes.temporary, 'others use the project database', true),
  RESULT_MISSING: define(exitCodes.data, 'the job has no result to compare'),
  RESULT_NOT_ROWS: define(exitCodes.data, 'the result of the job is no table'),
  RESULT_UNAVAILABLE: define(exitCodes.io, 'the stored result cannot be read here'),
  EXECUTOR_NOT_FOUND: define(exitCodes.notFound, 'no running executor has this id or label'),
  SANDBOX_FAILED: define(exitCodes.software, 'a sandbox process does not start'),

  // Schedules.
  CRON_INVALID: define(exitCodes.data, 'a cron expression cannot be read, or never fires'),
  TIMEZONE_INVALID: define(exitCodes.data, 'there is no such time zone'),
  SCHEDULE_NOT_FOUND: define(exitCodes.notFound, 'there is no such schedule'),
  SCHEDULE_AMBIGUOUS: define(exitCodes.usage, 'the analysis has several schedules'),
  TASK_ACTIVE: define(exitCodes.temporary, 'a run of the system schedule has not ended', true),
  TASK_UNATTENDED: define(
    exitCodes.temporary,
    'no running service takes part in the system schedule',
    true,
  ),
  TASK_LOST: define(exitCodes.jobLost, 'the services that ran the task died, one after another'),

  // Backups.
  BACKUP_REPOSITORY_MISSING: define(exitCodes.notFound, 'the folder is no repository of backups'),
  BACKUP_REPOSITORY_BUSY: define(
    exitCodes.temporary,
    'another backup, restore or prune works on the repository',
    true,
  ),
  BACKUP_NOT_FOUND: define(exitCodes.notFound, 'the repository has no such set'),
  BACKUP_DAMAGED: define(exitCodes.no, 'a backup set is not what was written'),
  BACKUP_FORMAT_NEWER: define(exitCodes.config, 'a newer version of Kiln wrote the backup'),
  BACKUP_PASSPHRASE_MISSING: define(
    exitCodes.config,
    'the set is encrypted, or there is no passphrase',
  ),
  BACKUP_PASSPHRASE_WRONG: define(exitCodes.permission, 'the passphrase is not that of the set'),
  BACKUP_FAILED: define(exitCodes.no, 'a backup could not be made; nothing of it is left'),

  // Datasources.
  DATASOURCE_NOT_FOUND: define(exitCodes.notFound, 'the project has no such datasource'),
  DATASOURCE_EXISTS: define(exitCodes.data, 'the project has a datasource of this name'),
  DATASOURCE_IN_USE: define(exitCodes.data, 'analyses declare the datasource'),
  DATASOURCE_INVALID: define(exitCodes.data, 'a datasource is not described correctly'),
  DATASOURCE_UNAVAILABLE: define(exitCodes.unavailable, 'a datasource cannot be reached', true),
  DATASOURCE_ERROR: define(exitCodes.data, 'a datasource or DuckDB refused a statement or failed'),
  TRANSACTION_ABORTED: define(exitCodes.data, 'an earlier error undid the work of the job'),
  DATASOURCE_KEY_MISSING: define(exitCodes.config, 'the key file of stored secrets is missing'),

  // Restores.
  BACKUP_DATA_INVALID: define(
    exitCodes.data,
    'a dump, archive or backup holds what cannot be restored',
  ),
  RESTORE_REFUSED: define(exitCodes.data, 'the data cannot take the place of what is there'),
  RESTORE_NOT_FOUND: define(
    exitCodes.notFound,
    'there is no such restore to finish, undo or tidy up',
  ),
  EXECUTORS_RUNNING: define(
    exitCodes.temporary,
    'executors run whose tables a restore would replace',
    true,
  ),
} as const satisfies Record<string, ErrorDefinition>

export type ErrorCode = keyof typeof errorTable
