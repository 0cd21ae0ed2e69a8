import type { FileFormat } from '../duckdb/index.ts'

export const datasourceTypes = ['postgres', 'duckdb', 'file'] as const
export type DatasourceType = (typeof datasourceTypes)[number]

export const fileFormats = [
  'csv',
  'json',
  'jsonl',
  'parquet',
] as const satisfies readonly FileFormat[]

/** Where the connection URL of a Postgres is kept; never the URL itself. */
export type SecretReference =
  | { readonly kind: 'variable'; readonly variable: string }
  | { readonly kind: 'file'; readonly path: string }
  /** Encrypted in the row, with the key file of a data folder. */
  | { readonly kind: 'encrypted' }

/** A Postgres as people may see it. */
export interface PostgresPlace {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

/** The column `config`. */
export type DatasourceConfig =
  | {
      readonly type: 'postgres'
      readonly secret: SecretReference
      /** Only where it is known without the secret. */
      readonly place?: PostgresPlace
    }
  | { readonly type: 'duckdb'; readonly path: string }
  /** `path` is absolute; a file or a glob. */
  | { readonly type: 'file'; readonly path: string; readonly format: FileFormat }

/** A row of `analysis_datasources` without its secret. */
export interface Datasource {
  readonly id: string
  readonly projectId: string
  readonly name: string
  readonly config: DatasourceConfig
  readonly keyId: string | null
  readonly createdBy: string | null
  readonly createdAt: string
  readonly updatedAt: string
}

/** What a script's queries go to. */
export type ResolvedDatasource =
  | { readonly type: 'postgres'; readonly connectionString: string }
  | { readonly type: 'duckdb'; readonly path: string }
  | { readonly type: 'file'; readonly files: readonly string[]; readonly format: FileFormat }
