/** The Postgres of one test run: a private one without fsync, or the one that the environment names. */
import { randomBytes } from 'node:crypto'
import { globSync, statfsSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
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
import { keepCluster } from './cluster-copy.ts'
import type { TestRun } from './test-run.ts'

const prefix = 'kiln-test-'

/** A file system in memory, on Linux. */
const memoryFolder = '/dev/shm'
const tmpfsType = 0x01021994
/** What the server's data come to at most, with the log, is a third of this. */
const memoryBytes = 6 * 1024 ** 3

/**
 * Where the server's data lie: in memory if there is plenty. A run makes and drops some 600 databases of
 * 300 files each, and ext4 passes over a file deleted in the last minutes whenever it looks for a place
 * for a new one: a tenth of all CPU time of a run.
 */
function serverHome(): string {
  try {
    const { type, bavail, bsize } = statfsSync(memoryFolder)
    const isRoomy = type === tmpfsType && bavail * bsize >= memoryBytes
    if (isRoomy && process.availableMemory() >= 2 * memoryBytes) return memoryFolder
  } catch {
    // There is none.
  }
  return tmpdir()
}

export interface TestServer {
  readonly run: TestRun
  stop(): Promise<void>
}

export async function startTestServer(): Promise<TestServer> {
  await removeDeadRuns()
  const folders: string[] = []
  const remove = async (): Promise<void> => {
    // The server's first, and each whatever comes of the others.
    const removed = await Promise.allSettled(folders.toReversed().map(removeRun))
    for (const one of removed) if (one.status === 'rejected') throw one.reason
  }
  try {
    const folder = await createRunFolder(tmpdir())
    folders.push(folder)
    const serverFolder = await createRunFolder(serverHome())
    folders.push(serverFolder)
    const dataDir = path.join(serverFolder, 'server')
    const isOurs = process.env.KILN_TEST_DATABASE_URL === undefined
    const serverUrl = process.env.KILN_TEST_DATABASE_URL ?? (await startServer(dataDir))
    const templateName = `kiln_template_${randomBytes(4).toString('hex')}`
    await query(serverUrl, `create database ${templateName}`)
    // Test files take their databases from here, and need not load all that migrates.
    const { migrateTemplate } = await import('./migrate-template.ts')
    await migrateTemplate(databaseUrl(serverUrl, templateName))
    // Nobody may connect, or cloning would wait for them.
    await query(serverUrl, `alter database ${templateName} allow_connections false`)
    const clusterFolder = isOurs ? path.join(serverFolder, 'cluster') : undefined
    if (clusterFolder !== undefined) {
      await stopPrivatePostgres({ dataDir })
      await keepCluster(dataDir, clusterFolder)
      await startServer(dataDir)
    }
    const run = {
      folder,
      serverUrl,
      templateName,
      copyClause: await copyClause(serverUrl),
      clusterFolder,
    }
    return {
      run,
      async stop() {
        await query(serverUrl, `drop database ${templateName}`)
        await remove()
      },
    }
  } catch (error) {
    await remove()
    throw error
  }
}

async function startServer(dataDir: string): Promise<string> {
  const server = await ensurePrivatePostgres({
    dataDir,
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

/**
 * From 15 on a template is copied block by block through the log, which costs at least twice the CPU of
 * copying its files (60 against 30 ms where nothing else runs); 14 knows no other way than files.
 */
async function copyClause(serverUrl: string): Promise<string> {
  const { rows } = await query(serverUrl, 'show server_version_num')
  const [row] = rows as { server_version_num: string }[]
  return Number(row?.server_version_num) >= 150_000 ? ' strategy file_copy' : ''
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

async function createRunFolder(home: string): Promise<string> {
  const folder = await mkdtemp(path.join(home, `${prefix}${process.pid}-`))
  if (process.getuid?.() === 0) await chmod(folder, 0o711)
  return folder
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

/** Runs that were killed could not tidy up; what holds a folder of theirs must not stop this one. */
async function removeDeadRuns(): Promise<void> {
  for (const home of [tmpdir(), memoryFolder]) {
    for (const name of globSync(`${prefix}*-*`, { cwd: home })) {
      const pid = Number(name.split('-')[2])
      if (!pid || isProcessRunning(pid)) continue
      const folder = path.join(home, name)
      await removeRun(folder).catch((error: unknown) => {
        console.warn(`cannot remove ${folder} of a run that was killed: ${String(error)}`)
      })
    }
  }
}
