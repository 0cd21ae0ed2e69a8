/**
 * Clusters of a test's own, copied from the run's server as it was when its template was migrated:
 * initdb and all migrations take three seconds of CPU, the copy a tenth of one.
 */
import { execFile } from 'node:child_process'
import { appendFile, mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { testRun } from './test-run.ts'

const run = promisify(execFile)

/** Of a stopped server; keeps owners, since as root another account runs it. */
async function copyState(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  await run('cp', ['-a', path.join(from, 'postgres'), to])
}

/** Keeps the cluster of a data folder whose server has stopped. */
export async function keepCluster(dataDir: string, to: string): Promise<void> {
  await copyState(dataDir, to)
  for (const name of ['log', 'run']) {
    await rm(path.join(to, 'postgres', name), { recursive: true, force: true })
  }
}

/**
 * Gives a data folder a cluster as an earlier command left it, stopped; its database `kiln` is empty.
 * False, and nothing done, when the run has no cluster to copy.
 */
export async function copyCluster(
  dataDir: string,
  serverSettings: Readonly<Record<string, string>> = {},
): Promise<boolean> {
  const { clusterFolder } = testRun()
  if (clusterFolder === undefined) return false
  await copyState(clusterFolder, dataDir)
  // What the run's server alone may have: after a kill, a page may be half written.
  const settings = { full_page_writes: 'on', max_connections: '100', ...serverSettings }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`)
  await appendFile(path.join(dataDir, 'postgres', 'pgdata', 'postgresql.conf'), lines.join(''))
  return true
}
