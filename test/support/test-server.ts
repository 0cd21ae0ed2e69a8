/** The Postgres of one test run: a private one without fsync, or the one that the environment names. */
import { randomBytes } from 'node:crypto'
import { globSync, readFileSync, statfsSync } from 'node:fs'
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
/** What a run comes to at most is a third of this. */
const memoryBytes = 3 * 1024 ** 3

/**
 * Where the folders and the server's data of a run lie: in memory if there is plenty. A run makes and
 * removes some 600 databases of 300 files each, and thirty servers of 1,300; ext4 passes over a file
 * deleted in the last minutes whenever it looks for a place for a new one, which came to an eighth of
 * all CPU time of a run.
 */
function runHome(): string {
  try {
    const { bavail, bsize } = statfsSync(memoryFolder)
    const isRoomy = isInMemory(memoryFolder) && bavail * bsize >= memoryBytes
    if (isRoomy && process.availableMemory() >= 2 * memoryBytes) return memoryFolder
  } catch {
    // There is none.
  }
  return tmpdir()
}

/** A file system in memory whose files may be run; containers often forbid that. */
const isInMemory = (folder: string): boolean =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .some((line) => {
      const [, place, type, options = ''] = line.split(' ')
      return place === folder && type === 'tmpfs' && !options.split(',').includes('noexec')
    })

export interface TestServer {
  readonly run: TestRun
  stop(): Promise<void>
}

export async function startTestServer(): Promise<TestServer> {
  await removeDeadRuns()
  const folder = await createRunFolder(runHome())
  try {
    const dataDir = path.join(folder, 'server')
    const isOurs = process.env.KILN_TEST_DATABASE_URL === undefined
    const serverUrl = process.env.KILN_TEST_DATABASE_URL ?? (await startServer(dataDir))
    const templateName = `kiln_template_${randomBytes(4).toString('hex')}`
    await query(serverUrl, `create database ${templateName}`)
    // Test files take their databases from here, and need not load all that migrates.
    const { migrateTemplate } = await import('./migrate-template.ts')
    await migrateTemplate(databaseUrl(serverUrl, templateName))
    const clusterFolder = isOurs ? path.join(folder, 'cluster') : undefined
    if (clusterFolder !== undefined) {
      await stopPrivatePostgres({ dataDir })
      await keepCluster(dataDir, clusterFolder)
      await startServer(dataDir)
    }
    // The first session in a database since the server's start writes down what each later one reads of
    // the catalogue. Copies of the files have it then.
    await query(databaseUrl(serverUrl, templateName), 'select 1')
    // Nobody may connect, or cloning would wait for them.
    await query(serverUrl, `alter database ${templateName} allow_connections false`)
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
        await removeRun(folder)
      },
    }
  } catch (error) {
    await removeRun(folder)
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
