import type { Context } from '../context.ts'
import type { DatabaseFingerprint } from '../duckdb/index.ts'
import type { DataFolder } from '../os/index.ts'
import { withOpenDatabase } from '../projects/index.ts'

/**
 * Opens the project's database in a data folder, read-only and in a process of its own, and reads all
 * of it: each table's rows, their number and the sum of their hashes. The caller makes sure that nobody
 * writes it.
 *
 * @throws KilnError DATASOURCE_ERROR when DuckDB refuses the file or a block of it.
 */
export async function fingerprintDatabase(
  context: Context,
  dataFolder: DataFolder,
  projectId: string,
): Promise<DatabaseFingerprint> {
  const input = { projectId, use: 'read', dataFolder } as const
  return withOpenDatabase(context, input, (duckdb) => duckdb.fingerprint(context.signal))
}
