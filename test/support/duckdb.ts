/** DuckDB processes for tests: started from the built entry, stopped and swept after each test. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  type DuckdbProcess,
  type DuckdbProcessOptions,
  startDuckdbProcess,
} from '../../src/core/duckdb/index.ts'
import { processEntry } from '../../src/core/os/index.ts'

export const never = new AbortController().signal

export function makeFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'kiln-duckdb-'))
  chmodSync(folder, 0o700)
  return folder
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}

export function processOptions(
  folder: string,
  overrides: Partial<DuckdbProcessOptions> = {},
): DuckdbProcessOptions {
  return {
    folder,
    memoryLimitBytes: 256 * 1024 ** 2,
    threads: 1,
    nodePath: process.execPath,
    entryPath: processEntry('duckdb'),
    ...overrides,
  }
}

/** Runs `work` with a process in a folder of its own; neither outlives it. */
export async function withDuckdb<T>(
  work: (duckdb: DuckdbProcess, folder: string) => Promise<T>,
  overrides: Partial<DuckdbProcessOptions> = {},
): Promise<T> {
  const folder = makeFolder()
  try {
    const duckdb = await startDuckdbProcess(processOptions(folder, overrides))
    try {
      return await work(duckdb, folder)
    } finally {
      await duckdb.stop()
    }
  } finally {
    removeFolder(folder)
  }
}

export async function queryRows(
  duckdb: DuckdbProcess,
  sql: string,
  params: readonly unknown[] = [],
  options: Parameters<DuckdbProcess['query']>[2] = {},
): Promise<Record<string, unknown>[]> {
  return JSON.parse(await duckdb.query(sql, params, options, never)) as Record<string, unknown>[]
}
