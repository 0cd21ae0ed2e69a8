import { DuckDBInstance } from '@duckdb/node-api'
import type { FileFormat, FileView } from '../contract.ts'
import { defaultMaxTempBytes } from '../limits.ts'
import type { Setup } from '../protocol.ts'
import { quoteIdentifier, quoteText } from './identifiers.ts'

const readers: Record<FileFormat, (files: string) => string> = {
  csv: (files) => `read_csv(${files})`,
  json: (files) => `read_json(${files})`,
  jsonl: (files) => `read_json(${files}, format = 'newline_delimited')`,
  parquet: (files) => `read_parquet(${files})`,
}

/**
 * Opens the instance. The order is the wall: what needs the file system first, then no access
 * outside the job's folder, then no setting can be changed any more, also not back.
 */
export async function openInstance(setup: Setup): Promise<DuckDBInstance> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(setup.threads),
    memory_limit: `${setup.memoryLimitBytes}B`,
    temp_directory: setup.folder,
    max_temp_directory_size: `${setup.maxTempBytes ?? defaultMaxTempBytes}B`,
    // The account may have no home, and INSTALL must not find one that it may write to.
    home_directory: '/nonexistent',
    autoload_known_extensions: 'false',
    autoinstall_known_extensions: 'false',
    allow_community_extensions: 'false',
  })
  const connection = await instance.connect()
  // As an option of the instance it fails: the time zones come with an extension loaded later.
  await connection.run("set global TimeZone = 'UTC'")
  for (const { name, path } of setup.attach ?? []) {
    await connection.run(`attach ${quoteText(path)} as ${quoteIdentifier(name)} (read_only)`)
  }
  await connection.run(`set allowed_directories = [${quoteText(setup.folder)}]`)
  for (const view of setup.views ?? []) await connection.run(createView(view))
  await connection.run('set enable_external_access = false')
  await connection.run('set lock_configuration = true')
  connection.closeSync()
  return instance
}

function createView({ name, files, format }: FileView): string {
  const list = `[${files.map(quoteText).join(', ')}]`
  return `create view ${quoteIdentifier(name)} as select * from ${readers[format](list)}`
}
