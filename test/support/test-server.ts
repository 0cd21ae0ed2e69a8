/** The Postgres of one test run: a private one without fsync, or the one that the environment names. */
import { randomBytes } from 'node:crypto'
import { globSync } from 'node:fs'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import {
  defaultBinarySources,
  ensurePrivatePostgres,
  stopPrivatePostgres,
  systemBinarySources,
} from '../../src/core/database/private-postgres/index.ts'
import { isProcessRunning } from '../../src/core/os/index.ts'
import { migrateTemplate } from './migrate-template.ts'
import type { TestRun } from './test-run.ts'

const prefix = 'kiln-test-'

export interface TestServer {
  readonly run: TestRun
  stop(): Promise<void>
}

export async function startTestServer(): Promise<TestServer> {
  await removeDeadRuns()
  const folder = await mkdtemp(path.join(tmpdir(), `${prefix}${process.pid}-`))
  if (process.getuid?.() === 0) await chmod(folder, 0o711)
  try {
    const serverUrl = process.env.KILN_TEST_DATABASE_URL ?? (await startServer(folder))
    const templateName = `kiln_template_${randomBytes(4).toString('hex')}`
    await query(serverUrl, `create database ${templateName}`)
    await migrateTemplate(databaseUrl(serverUrl, templateName))
    // Nobody may connect, or cloning would wait for them.
    await query(serverUrl, `alter database ${templateName} allow_connections false`)
    return {
      run: { folder, serverUrl, templateName },
      async stop() {
        await query(serverUrl, `drop database ${templateName}`)
        await removeRun(folder)
      },
    }
  } catch (error) {
    await removeRun(folder)
    throw error
  }
}

async function startServer(folder: string): Promise<string> {
  const server = await ensurePrivatePostgres({
    dataDir: path.join(folder, 'server'),
    overrides: {
      sources:
        process.env.KILN_TEST_POSTGRES === 'system'
          ? systemBinarySources()
          : defaultBinarySources(),
      serverSettings: { fsync: 'off', full_page_writes: 'off', max_connections: '300' },
    },
  })
  return server.connectionString
}

/** The same server, another database. */
export function databaseUrl(serverUrl: string, name: string): string {
  return serverUrl.replace(/^(\w+:\/\/[^/]*\/)[^?]*/, `$1${name}`)
}

/** One statement on a connection of its own. */
export async function query(url: string, text: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query(text)
  } finally {
    await client.end()
  }
}

/** Ends every private Postgres that the run's commands started, then deletes its folder. */
async function removeRun(folder: string): Promise<void> {
  const marks = globSync('**/postgres/{pgdata/postmaster.pid,location}', { cwd: folder })
  for (const mark of marks) {
    const dataDir = mark.slice(0, mark.lastIndexOf('postgres/'))
    await stopPrivatePostgres({ dataDir: path.join(folder, dataDir) })
  }
  await rm(folder, { recursive: true, force: true })
}

/** Runs that were killed could not tidy up. */
async function removeDeadRuns(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1])
    if (pid && !isProcessRunning(pid)) await removeRun(path.join(tmpdir(), name))
  }
}
