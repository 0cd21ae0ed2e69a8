import type { Context } from '../context.ts'
import type { ColumnInfo } from '../duckdb/index.ts'
import { KilnError, isKilnError } from '../errors/index.ts'
import { columnsOfFile, tablesOfDuckdbFile } from './inspect-files.ts'
import { resolveDatasource } from './resolve-datasource.ts'
import { type FileFacts, testFiles } from './test-files.ts'
import { type PostgresFacts, testPostgres } from './test-postgres.ts'

export type DatasourceReport =
  | ({ readonly type: 'postgres' } & PostgresFacts)
  | ({ readonly type: 'duckdb'; readonly tables: readonly string[] } & FileFacts)
  /** Columns are those of the first file; null when it is too large for a look. */
  | ({ readonly type: 'file'; readonly columns: readonly ColumnInfo[] | null } & FileFacts)

/**
 * Tries a datasource as a job on this machine would: reads its secret, connects or opens the
 * files.
 *
 * @throws KilnError as `resolveDatasource`, and DATASOURCE_UNAVAILABLE saying what failed.
 */
export async function testDatasource(
  context: Pick<Context, 'database' | 'settings' | 'clock' | 'signal'>,
  projectId: string,
  name: string,
): Promise<DatasourceReport> {
  const datasource = await resolveDatasource(context, projectId, name)
  const { settings, clock, signal } = context
  const label = `datasource "${name}"`
  switch (datasource.type) {
    case 'postgres':
      return {
        type: 'postgres',
        ...(await testPostgres(datasource.connectionString, label, clock, signal)),
      }
    case 'duckdb':
      return named(label, async () => ({
        type: 'duckdb',
        ...(await testFiles([datasource.path], 'duckdb')),
        tables: await tablesOfDuckdbFile(settings, datasource.path, signal),
      }))
    case 'file':
      return named(label, async () => {
        const facts = await testFiles(datasource.files, datasource.format)
        const columns = await columnsOfFile(settings, datasource, facts.firstSizeBytes, signal)
        return { type: 'file', ...facts, columns }
      })
  }
}

/** A file that cannot be used makes the datasource unavailable, whatever the reason. */
async function named(
  label: string,
  work: () => Promise<DatasourceReport>,
): Promise<DatasourceReport> {
  try {
    return await work()
  } catch (error) {
    if (!isKilnError(error)) throw error
    throw new KilnError('DATASOURCE_UNAVAILABLE', `${label}: ${error.message}`, {
      cause: error,
      hint: error.hint ?? 'check the file, and --format of the datasource',
    })
  }
}
