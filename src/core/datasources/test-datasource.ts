import type { Context } from '../context.ts'
import { resolveDatasource } from './resolve-datasource.ts'
import { type FileFacts, testFiles } from './test-files.ts'
import { type PostgresFacts, testPostgres } from './test-postgres.ts'

export type DatasourceReport =
  | ({ readonly type: 'postgres' } & PostgresFacts)
  | ({ readonly type: 'duckdb' | 'file' } & FileFacts)

/**
 * Tries a datasource as a job on this machine would: reads its secret, connects or opens the
 * files.
 *
 * @throws KilnError as `resolveDatasource`, and DATASOURCE_UNAVAILABLE saying what failed.
 */
export async function testDatasource(
  context: Pick<Context, 'database' | 'settings' | 'clock'>,
  projectId: string,
  name: string,
): Promise<DatasourceReport> {
  const datasource = await resolveDatasource(context, projectId, name)
  const label = `datasource "${name}"`
  switch (datasource.type) {
    case 'postgres': {
      const facts = await testPostgres(datasource.connectionString, label, context.clock)
      return { type: 'postgres', ...facts }
    }
    case 'duckdb':
      return { type: 'duckdb', ...(await testFiles([datasource.path], 'duckdb', label)) }
    case 'file':
      return { type: 'file', ...(await testFiles(datasource.files, datasource.format, label)) }
  }
}
