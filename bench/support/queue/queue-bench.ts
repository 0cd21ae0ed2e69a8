import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { withBenchPostgres } from '../postgres.ts'
import type { DrainTime } from './drain-time.ts'
import { ensurePeers } from './ensure-peers.ts'
import { catchInterruption } from './interruption.ts'
import { findPostmaster, watchChildren, watchDescendants } from './processes.ts'
import { type Program, type Side, startSide } from './side.ts'

/** A drain, and what it cost the server beside it. */
export interface Drain extends DrainTime {
  /** Of processes that the side has started; 0 where they cannot be seen. */
  readonly childrenCpuMs: number
  /** Absent where the server's processes cannot be seen. */
  readonly postgresCpuMs: number | undefined
}

export interface QueueBench {
  readonly versions: Readonly<Record<string, string>>
  /** A new database on the Postgres that all sides share; returns its URL. */
  createDatabase(): Promise<string>
  /** Starts a side; it is ended with the bench. */
  start(program: Program, options: Readonly<Record<string, unknown>>): Side
  /** Calls `drain` of a side and measures the server meanwhile. */
  drain(side: Side, jobs: number): Promise<Drain>
}

/** Runs `work` with one Postgres for all sides; what was started and created ends with it. */
export async function withQueueBench<T>(
  work: (bench: QueueBench) => Promise<T>,
  { needsPeers = true }: { readonly needsPeers?: boolean } = {},
): Promise<T> {
  const versions = needsPeers ? ensurePeers() : {}
  const interruption = catchInterruption()
  const measured = withBenchPostgres(async (url) => {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'kiln-bench-queue-'))
    // As root, sandboxes run under accounts of their own, which must get through.
    chmodSync(dataDir, 0o711)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const sides: Side[] = []
    const databases: string[] = []
    let isEnding = false
    const postmaster = await findPostmaster(client)
    const { rows } = await client.query<{ server_version: string }>('show server_version')
    try {
      const measuring = work({
        versions: { postgres: rows[0]?.server_version ?? '', ...versions },
        async createDatabase() {
          const name = `kiln_bench_${process.pid}_${databases.length}`
          await client.query(`create database ${name}`)
          databases.push(name)
          return withDatabase(url, name)
        },
        start(program, options) {
          if (isEnding) throw new Error('the bench has ended')
          const side = startSide(program, { dataDir, ...options })
          sides.push(side)
          return side
        },
        async drain(side, jobs) {
          const descendants = watchDescendants(side.pid)
          const postgres = postmaster === undefined ? () => undefined : watchChildren(postmaster)
          const time = await side.call<DrainTime>('drain', jobs)
          return { ...time, childrenCpuMs: descendants(), postgresCpuMs: postgres() }
        },
      })
      return await Promise.race([measuring, interruption.happened])
    } finally {
      isEnding = true
      await Promise.allSettled(sides.map((side) => side.stop()))
      for (const name of databases) await client.query(`drop database ${name} with (force)`)
      await client.end()
      rmSync(dataDir, { recursive: true, force: true })
    }
  })
  return await measured.finally(() => interruption.release())
}

/** The private Postgres has URLs without a host, which `URL` does not take. */
const withDatabase = (url: string, name: string): string =>
  url.replace(/^(\w+:\/\/[^/]*\/)[^?]*/, `$1${name}`)
