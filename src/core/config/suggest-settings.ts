import { formatSize } from '../units/index.ts'

/** One value that fits a machine, and why. */
export interface Suggestion {
  readonly target: 'postgres' | 'kiln' | 'system'
  readonly name: string
  readonly value: string
  readonly reason: string
}

export interface MachineSize {
  readonly cores: number
  readonly memoryBytes: number
  /** Memory limit of one script. */
  readonly sandboxMemoryBytes: number
  /** Postgres has a machine of its own. */
  readonly hasPostgresElsewhere: boolean
}

const mb = 1024 ** 2
const gb = 1024 ** 3
/** What a sandbox may take beyond the heap of its script before it is ended. */
const besidesHeapBytes = 256 * mb

/**
 * Settings of Postgres and of Kiln for a machine of this size: a queue of many short transactions
 * beside analytical reads. Rules of thumb, each with its reason; measure before you go beyond them.
 */
export function suggestSettings(machine: MachineSize): readonly Suggestion[] {
  const { cores, memoryBytes, sandboxMemoryBytes, hasPostgresElsewhere } = machine
  // On one machine half of it is for jobs, and the other half for Postgres and the file cache.
  const forPostgres = hasPostgresElsewhere ? memoryBytes : memoryBytes / 2
  const forJobs = hasPostgresElsewhere ? memoryBytes * 0.8 : memoryBytes / 2
  const jobs = Math.max(
    1,
    Math.min(10, 2 * cores, Math.floor(forJobs / (sandboxMemoryBytes + besidesHeapBytes))),
  )
  const pool = Math.max(10, 2 * jobs)
  const connections = Math.max(100, Math.ceil((4 * (pool + 2) + 20) / 10) * 10)
  const shared = clamp(forPostgres / 4, 128 * mb, 8 * gb)
  const postgres = (name: string, value: string, reason: string): Suggestion => ({
    target: 'postgres',
    name,
    value,
    reason,
  })
  return [
    postgres('shared_buffers', sizeText(shared), 'a quarter of what Postgres has; needs a restart'),
    postgres(
      'effective_cache_size',
      sizeText(clamp(forPostgres * 0.7, 256 * mb, 1024 * gb)),
      'what the file cache will hold',
    ),
    postgres(
      'work_mem',
      sizeText(clamp((forPostgres - shared) / (connections * 3), 4 * mb, 64 * mb)),
      'for each sort of each connection',
    ),
    postgres(
      'maintenance_work_mem',
      sizeText(clamp(forPostgres / 16, 64 * mb, gb)),
      'for vacuum and the building of indexes',
    ),
    postgres(
      'max_connections',
      String(connections),
      `four services with a pool of ${pool}, and room for others; needs a restart`,
    ),
    postgres('max_wal_size', '4GB', 'the queue writes all the time: fewer checkpoints'),
    postgres('checkpoint_completion_target', '0.9', 'writes are spread over the interval'),
    postgres('wal_compression', 'on', 'fewer bytes for full pages'),
    postgres('random_page_cost', '1.1', 'for solid state disks'),
    postgres('jit', 'off', 'short statements pay for compiling and gain nothing'),
    postgres('autovacuum_naptime', '15s', 'the queue makes dead rows at its own speed'),
    postgres(
      'shared_preload_libraries',
      'pg_stat_statements',
      'besides those that are there; lets kiln doctor find slow statements; needs a restart',
    ),
    {
      target: 'kiln',
      name: 'MAX_CONCURRENT_JOBS',
      value: String(jobs),
      reason: 'by cores and memory',
    },
    {
      target: 'kiln',
      name: 'DATABASE_POOL_SIZE',
      value: String(pool),
      reason: 'two connections a job',
    },
    {
      target: 'kiln',
      name: 'ANALYSIS_SANDBOX_MEMORY_LIMIT',
      value: sizeText(sandboxMemoryBytes),
      reason: 'as it is now',
    },
    {
      target: 'system',
      name: 'LimitNOFILE',
      value: String(Math.max(4096, jobs * 128)),
      reason: 'connections, pipes of sandboxes, result files',
    },
    {
      target: 'system',
      name: 'MemoryMax',
      value: sizeText(jobs * (sandboxMemoryBytes + besidesHeapBytes) + gb).replace('B', ''),
      reason: `${jobs} ${jobs === 1 ? 'job at its limit' : 'jobs at their limit'}, and the service`,
    },
    {
      target: 'system',
      name: 'TasksMax',
      value: String(256 + jobs * 64),
      reason: 'threads of jobs',
    },
  ]
}

/** As Postgres, systemd and Kiln's own settings read it: a whole number of MB or GB. */
function sizeText(bytes: number): string {
  return bytes >= 4 * gb || bytes % gb === 0
    ? `${Math.floor(bytes / gb)}GB`
    : `${Math.floor(bytes / mb)}MB`
}

const clamp = (value: number, least: number, most: number): number =>
  Math.min(most, Math.max(least, value))

/**
 * The suggestions as text that `psql` takes as it is: what is not for Postgres is comment.
 */
export function suggestionLines(
  suggestions: readonly Suggestion[],
  machine: MachineSize,
): readonly string[] {
  const of = (target: Suggestion['target']) =>
    suggestions.filter((suggestion) => suggestion.target === target)
  return [
    `-- For ${machine.cores} cores and ${formatSize(machine.memoryBytes)} of memory.`,
    ...of('postgres').flatMap(({ name, value, reason }) =>
      name === 'shared_preload_libraries'
        ? preloading(value, reason)
        : [`ALTER SYSTEM SET ${name} = '${value}'; -- ${reason}`],
    ),
    'SELECT pg_reload_conf();',
    '-- For the environment of Kiln:',
    ...of('kiln').map(({ name, value, reason }) => `--   ${name}=${value}   # ${reason}`),
    '-- For its unit:',
    ...of('system').map(({ name, value, reason }) => `--   ${name}=${value}   # ${reason}`),
  ]
}

/**
 * A library besides those that the server loads already, and only where it is installed: without one of
 * its libraries, or with one that is not there, a server may not start again. For psql, since ALTER
 * SYSTEM takes no expression.
 */
const preloading = (library: string, reason: string): string[] => [
  `-- ${reason}`,
  `SELECT 'ALTER SYSTEM SET shared_preload_libraries = ' || string_agg(quote_literal(name), ', ')`,
  `FROM (SELECT DISTINCT trim(both ' "' from name) AS name`,
  `  FROM unnest(string_to_array(current_setting('shared_preload_libraries'), ',') || '${library}'::text) name`,
  `  WHERE name <> '') libraries`,
  `WHERE EXISTS (SELECT FROM pg_available_extensions WHERE name = '${library}')`,
  `HAVING count(*) > 0 \\gexec`,
]
