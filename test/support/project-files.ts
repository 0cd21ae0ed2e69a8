/** DuckDB files of projects, written and read by this process while nobody else has them. */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { projectDatabasePath } from '../../src/core/os/index.ts'

/** Runs statements on a database file; made if it is not there. */
export async function writeDatabase(file: string, ...statements: readonly string[]): Promise<void> {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  const instance = await DuckDBInstance.create(file)
  const connection = await instance.connect()
  try {
    for (const statement of statements) await connection.run(statement)
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

export async function readDatabase(file: string, sql: string): Promise<unknown[]> {
  const instance = await DuckDBInstance.create(file, { access_mode: 'READ_ONLY' })
  const connection = await instance.connect()
  try {
    return (await connection.runAndReadAll(sql)).getRowsJson()
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

export const projectFile = (dataDir: string, projectId: string): string =>
  projectDatabasePath({ path: dataDir }, projectId)
