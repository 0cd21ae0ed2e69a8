import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { FileFormat, FileView, ProjectDatabase } from '../contract.ts'
import { defaultMaxTempBytes } from '../limits.ts'
import type { Setup } from '../protocol.ts'
import { quoteIdentifier, quoteText } from './identifiers.ts'

const readers: Record<FileFormat, (files: string) => string> = {
  csv: (files) => `read_csv(${files})`,
  json: (files) => `read_json(${files})`,
  jsonl: (files) => `read_json(${files}, format = 'newline_delimited')`,
  parquet: (files) => `read_parquet(${files})`,
}

/** An instance that is set up, and the connection in which a writer does everything. */
export interface Opened {
  readonly instance: DuckDBInstance
  readonly connection: DuckDBConnection
}

/**
 * Opens the instance. The order is the wall: what needs the file system first, then no access
 * outside the job's folder, then no setting can be changed any more, also not back.
 */
export async function openInstance(setup: Setup): Promise<Opened> {
  // What it creates is for its account alone: the project's database among it.
  process.umask(0o077)
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
  for (const { name, path: file } of setup.attach ?? []) {
    await connection.run(`attach ${quoteText(file)} as ${quoteIdentifier(name)} (read_only)`)
  }
  if (setup.project) await attachProject(connection, setup.project, setup.folder)
  await connection.run(`set allowed_directories = [${quoteText(setup.folder)}]`)
  // In the project's database they would stay.
  const kind = setup.project?.use === 'write' ? 'temp view' : 'view'
  for (const view of setup.views ?? []) await connection.run(createView(kind, view))
  await connection.run('set enable_external_access = false')
  await connection.run('set lock_configuration = true')
  if (setup.project?.use === 'write') await connection.run('begin transaction')
  return { instance, connection }
}

async function attachProject(
  connection: DuckDBConnection,
  { path: file, use }: ProjectDatabase,
  folder: string,
): Promise<void> {
  if (use === 'write') {
    await whenFree(() => connection.run(`attach ${quoteText(file)} as project`))
    await connection.run('use project')
    // DuckDB writes to one database in a transaction: let that be this one.
    await connection.run('detach memory')
    return
  }
  // Nobody has written to it yet: then it is empty.
  const source = existsSync(file) ? file : path.join(folder, 'empty.duckdb')
  if (source !== file) {
    await connection.run(`attach ${quoteText(source)} as project`)
    await connection.run('detach project')
  }
  await whenFree(() => connection.run(`attach ${quoteText(source)} as project (read_only)`))
}

/** The job before us may still be merging its log into the file. */
const longestMs = 2000
const againMs = 10

async function whenFree(attach: () => Promise<unknown>): Promise<void> {
  for (const deadline = performance.now() + longestMs; ; await delay(againMs)) {
    try {
      await attach()
      return
    } catch (error) {
      const isLocked = error instanceof Error && error.message.includes('Could not set lock')
      if (!isLocked || performance.now() > deadline) throw error
    }
  }
}

function createView(kind: string, { name, files, format }: FileView): string {
  const list = `[${files.map(quoteText).join(', ')}]`
  return `create ${kind} ${quoteIdentifier(name)} as select * from ${readers[format](list)}`
}
