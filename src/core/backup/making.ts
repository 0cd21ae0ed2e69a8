import type { BackupKind } from './layout.ts'
import type { BackupPart, BackupProblem, Manifest } from './manifest.ts'
import type { OnBackupProgress } from './progress.ts'

export interface CreateBackupInput {
  /** Folder of the repository; made if it is new or empty. */
  readonly repository: string
  readonly parts: readonly BackupPart[]
  /** `full`: the whole database by pg_dump too, beside Kiln's tables. */
  readonly profile?: 'analysis' | 'full' | undefined
  readonly kind?: BackupKind | undefined
  readonly label?: string | undefined
  /** Given: the set is encrypted. */
  readonly passphrase?: string | undefined
  /** Of COPY. `binary` is faster, and loads into the same major version of Postgres only. */
  readonly rowFormat?: 'text' | 'binary' | undefined
  /** Connections that read Postgres at a time; 2 unless told. */
  readonly readers?: number | undefined
  /** How long to wait for those who hold Kiln's tables, or migrate; 30 s unless told. */
  readonly lockTimeoutMs?: number | undefined
  /** How long the server may send nothing; 60 s unless told. */
  readonly silenceLimitMs?: number | undefined
  /** How long to wait for who writes a project's database; 60 s unless told. */
  readonly databaseWaitMs?: number | undefined
  /** How long to wait for another who works on the repository; not at all unless told. */
  readonly waitMs?: number | undefined
  /** Folder whose `.env` files go into it; none unless told. */
  readonly envFolder?: string | undefined
  readonly onProgress?: OnBackupProgress | undefined
}

/** What the parts of a backup work with. */
export interface Making {
  readonly folder: string
  readonly key: Buffer | null
  readonly input: CreateBackupInput
}

/** What a part has put into the set. */
export type PartOfManifest = Partial<
  Pick<Manifest, 'postgres' | 'duckdb' | 'results' | 'datasourceKey' | 'config' | 'envFiles'>
> & {
  readonly problems?: readonly BackupProblem[]
  readonly notes?: readonly string[]
  /** Ids of the data folders whose files are in it. */
  readonly dataFolders?: readonly string[]
}
