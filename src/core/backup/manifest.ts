import { z } from 'zod'
import { backupKinds, isObjectPath, isSetId } from './layout.ts'

/** Of sets that this program writes; it reads this one and older ones. */
export const manifestFormat = 1

const count = z.int().nonnegative()
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const instant = z.iso.datetime({ offset: true })

/** A file of the set. `sha256` is over the bytes as they are stored. */
const storedObject = z.object({
  path: z.string().refine(isObjectPath, 'no path of an object'),
  codec: z.enum(['zstd', 'none']),
  storedBytes: count,
  plainBytes: count,
  sha256,
})

/** What is in a file of a table: rows of consecutive pages, or all of them. */
const tableObject = storedObject.extend({
  rows: count,
  /** First page and the page after the last; null: the table as a whole. */
  pages: z.tuple([count, count]).nullable(),
})

const column = z.object({ name: z.string(), type: z.string() })

const table = z.object({
  name: z.string().regex(/^[a-z][a-z0-9_]{0,62}$/),
  /** In the order of the fields of each row. */
  columns: z.array(column).min(1),
  rows: count,
  plainBytes: count,
  /** False: it is kept for people to read, and a restore leaves the live one alone. */
  isRestored: z.boolean(),
  objects: z.array(tableObject),
})

const appliedMigration = z.object({
  version: z.string().regex(/^\d{1,18}$/),
  checksum: z.string(),
})

const postgres = z.object({
  serverVersion: z.string(),
  /** As `server_version_num` has it: 150018. */
  serverVersionNumber: count,
  systemIdentifier: z.string().nullable(),
  database: z.string(),
  encoding: z.string(),
  /** Of `pg_export_snapshot`, for logs. */
  snapshot: z.string(),
  /** Of COPY; `binary` loads into the same major version only. */
  rowFormat: z.enum(['text', 'binary']),
  /** Migrations that are applied, in order: they are the schema. */
  migrations: z.array(appliedMigration),
  tables: z.array(table),
  /** A dump of the whole database beside the tables; of `--profile full` only. */
  dump: z
    .object({
      tool: z.string(),
      /** Of `pg_dump -Fd`, each file compressed by us; the folder's file names are the paths' ends. */
      objects: z.array(storedObject.extend({ file: z.string() })),
    })
    .nullable(),
})

const duckdbTable = z.object({
  schema: z.string(),
  name: z.string(),
  rows: count,
  /** Sum of the hashes of all rows, decimal; differs between versions of DuckDB. */
  fingerprint: z.string().regex(/^\d+$/),
})

const duckdbFile = z.object({
  // Of a row: Postgres has no text with a NUL in it.
  projectId: z.string().regex(/^[^\0]+$/),
  /** Id of the data folder that it was in. */
  homeFolder: z.string(),
  file: storedObject,
  /** What was committed and not merged into the file yet. */
  log: storedObject.nullable(),
  duckdbVersion: z.string(),
  tables: z.array(duckdbTable),
})

const resultFile = z.object({
  jobId: z.guid(),
  /** As `analysis_result_storage` has it, below the data folder. */
  storagePath: z.string(),
  /** SHA-256 of the file, as that row has it. */
  checksum: z.string(),
  object: storedObject,
})

/** Something that was asked for and is not in the set. */
const problem = z.object({
  part: z.enum(['duckdb', 'results', 'keys']),
  name: z.string(),
  reason: z.string(),
})

const encryption = z.object({
  cipher: z.literal('aes-256-gcm'),
  segmentBytes: z
    .int()
    .min(1024)
    .max(64 * 1024 * 1024),
  kdf: z.object({
    name: z.literal('scrypt'),
    // A hostile manifest must not make us compute for hours; scrypt itself takes powers of two only.
    cost: z
      .int()
      .min(2)
      .max(2 ** 20)
      .refine((cost) => Number.isInteger(Math.log2(cost)), 'no power of two'),
    blockSize: z.int().min(1).max(16),
    parallelization: z.int().min(1).max(4),
    salt: z.base64(),
  }),
  /** The set's random key, encrypted with the one of the passphrase. */
  wrappedKey: z.base64(),
})

export const manifestSchema = z.object({
  format: z.literal(manifestFormat),
  id: z.string().refine(isSetId, 'no id of a set'),
  repositoryId: z.uuid(),
  kind: z.enum(backupKinds),
  label: z.string().nullable(),
  profile: z.enum(['analysis', 'full']),
  parts: z.array(z.enum(['postgres', 'duckdb', 'config'])).min(1),
  status: z.enum(['complete', 'partial']),
  /** Why it is partial. */
  problems: z.array(problem),
  /** What people should know of it: what it does not cover. */
  notes: z.array(z.string()),
  startedAt: instant,
  finishedAt: instant,
  host: z.string(),
  programVersion: z.string(),
  nodeVersion: z.string(),
  /** Ids of the data folders whose files are in it. */
  dataFolders: z.array(z.string()),
  encryption: encryption.nullable(),
  postgres: postgres.nullable(),
  duckdb: z.array(duckdbFile),
  results: z.array(resultFile),
  /** The key of stored datasource secrets; in encrypted sets only. */
  datasourceKey: storedObject.nullable(),
  /** Settings in force, secrets left out, as a JSON object. */
  config: storedObject.nullable(),
  /** `.env` files, when asked for. */
  envFiles: z.array(storedObject.extend({ file: z.string() })),
  totals: z.object({ objects: count, storedBytes: count, plainBytes: count, rows: count }),
})

export type Manifest = z.infer<typeof manifestSchema>
export type StoredObject = z.infer<typeof storedObject>
export type TableObject = z.infer<typeof tableObject>
export type BackedUpTable = z.infer<typeof table>
export type BackedUpPostgres = z.infer<typeof postgres>
export type BackedUpDuckdb = z.infer<typeof duckdbFile>
export type BackedUpDuckdbTable = z.infer<typeof duckdbTable>
export type BackedUpResult = z.infer<typeof resultFile>
export type BackupProblem = z.infer<typeof problem>
export type BackupEncryption = z.infer<typeof encryption>
export type BackupPart = Manifest['parts'][number]

/** Every file of a set but the manifest. */
export function objectsOf(manifest: Omit<Manifest, 'totals'>): readonly StoredObject[] {
  return [
    ...(manifest.postgres?.tables.flatMap(({ objects }) => objects) ?? []),
    ...(manifest.postgres?.dump?.objects ?? []),
    ...manifest.duckdb.flatMap(({ file, log }) => (log ? [file, log] : [file])),
    ...manifest.results.map(({ object }) => object),
    ...(manifest.datasourceKey ? [manifest.datasourceKey] : []),
    ...(manifest.config ? [manifest.config] : []),
    ...manifest.envFiles,
  ]
}
