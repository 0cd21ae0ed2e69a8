import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  ensurePrivatePostgres,
  stopPrivatePostgres,
} from '../../src/core/database/private-postgres/index.ts'

/**
 * Runs `work` with the URL of a Postgres of its own, ended and deleted afterwards;
 * `KILN_BENCH_DATABASE_URL` names another one instead.
 */
export async function withBenchPostgres<T>(work: (url: string) => Promise<T>): Promise<T> {
  const given = process.env.KILN_BENCH_DATABASE_URL
  if (given !== undefined) return await work(given)
  const dataDir = mkdtempSync(path.join(tmpdir(), 'kiln-bench-postgres-'))
  // As root, Postgres runs under another account, which must get through.
  chmodSync(dataDir, 0o711)
  try {
    const { connectionString } = await ensurePrivatePostgres({ dataDir })
    return await work(connectionString)
  } finally {
    await stopPrivatePostgres({ dataDir })
    rmSync(dataDir, { recursive: true, force: true })
  }
}
