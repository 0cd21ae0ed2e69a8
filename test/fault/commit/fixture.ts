/**
 * An executor that stops between two steps of a commit, and who is killed there: what a job wrote to
 * its project's database is there once if it is completed, and not at all if it is not.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CommitStep } from '../../../src/core/executor/commit-outcome.ts'
import { openDataFolder, projectDatabasePath } from '../../../src/core/os/index.ts'
import { bundleProcess } from '../../support/bundle-process.ts'
import { descendantsOf } from '../../support/descendants.ts'
import { queryRows, withDuckdb } from '../../support/duckdb.ts'
import { type OwnPostgres, startOwnPostgres } from '../../support/own-postgres.ts'
import { insertAnalysis, insertJob, readJob } from '../../support/queue.ts'
import {
  type TemporaryFolder,
  compileCache,
  createTemporaryFolder,
} from '../../support/temporary-folder.ts'
import { waitUntil } from '../../support/wait-until.ts'

const steps: readonly CommitStep[] = ['script ended', 'marked', 'prepared', 'committed', 'finished']

export type Victim = 'executor' | 'duckdb' | 'postgres'

interface RunningExecutor {
  readonly child: ChildProcess
  readonly lines: string[]
}

/** A round by its number, and how its job ended. */
export type Ended = readonly [round: number, status: string]

/** The Postgres, data folder and executor of one test file. */
export class Commits {
  postgres!: OwnPostgres
  private folder!: TemporaryFolder
  private dataDir = ''
  private program = ''
  analysisId = ''
  executor: RunningExecutor | undefined
  private lastRound = 0

  async open(): Promise<void> {
    this.program = await bundleProcess(path.join(import.meta.dirname, 'commit-executor.ts'))
    this.postgres = await startOwnPostgres()
    this.folder = await createTemporaryFolder('commit')
    this.dataDir = path.join(this.folder.path, 'data')
    this.analysisId = await insertAnalysis(
      this.postgres.pool,
      `export default { database: 'write', async run(ctx, params) {
        await ctx.duckdb.exec('create table if not exists effects (round int)')
        await ctx.duckdb.exec('insert into effects values ($1)', [params.round])
        return params.round
      } , parameters: { round: { type: 'integer' } } }`,
    )
  }

  async close(): Promise<void> {
    await this.end(this.executor)
    await this.postgres.close()
    await this.folder.remove()
  }

  async startExecutor(): Promise<RunningExecutor> {
    const child = spawn(
      process.execPath,
      [this.program, this.postgres.connectionString, this.dataDir],
      { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...compileCache() } },
    )
    const lines: string[] = []
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
    child.stdin.on('error', () => undefined)
    const started = { child, lines }
    await waitUntil('the executor is ready', () => lines.includes('ready'))
    return started
  }

  async end(running: RunningExecutor | undefined): Promise<void> {
    if (running?.child.exitCode !== null || running.child.signalCode !== null) return
    const gone = new Promise((resolve) => running.child.once('exit', resolve))
    running.child.kill('SIGKILL')
    await gone
  }

  async kill(victim: Victim): Promise<void> {
    if (!this.executor) throw new Error('there is no executor')
    if (victim === 'duckdb') killDuckdb(this.executor.child.pid ?? 0)
    if (victim === 'postgres') await this.postgres.killAndStart()
    if (victim === 'executor') {
      await this.end(this.executor)
      this.executor = undefined
    }
  }

  /** However it was interrupted, the job ends; returns its status. */
  async statusOf(id: string): Promise<string> {
    this.executor ??= await this.startExecutor()
    return waitUntil(`job ${id} has ended`, async () => {
      const job = await readJob(this.postgres.pool, id).catch(() => undefined)
      return job && ['completed', 'failed', 'cancelled'].includes(job.status)
        ? job.status
        : undefined
    })
  }

  async effects(): Promise<Map<number, number>> {
    const data = await openDataFolder(this.dataDir)
    const project = { path: projectDatabasePath(data, 'default'), use: 'read' } as const
    const rows = await waitUntil('the database is free', () =>
      withDuckdb(
        (duckdb) =>
          queryRows(duckdb, 'select round, count(*) as n from project.effects group by 1'),
        { project },
      ).catch(() => undefined),
    )
    return new Map(rows.map(({ round, n }) => [Number(round), Number(n)]))
  }

  /** The last of the rounds has ended at this moment. */
  async expectEffects(ended: readonly Ended[]): Promise<void> {
    const found = await this.effects()
    expect(
      ended.map(([round, status]) => ({ round, status, times: found.get(round) ?? 0 })),
    ).toEqual(
      ended.map(([round, status]) => ({ round, status, times: status === 'completed' ? 1 : 0 })),
    )
  }

  /** A job that stands between two steps. */
  async standAt(step: string): Promise<{ readonly round: number; readonly id: string }> {
    this.executor ??= await this.startExecutor()
    this.executor.lines.length = 0
    this.tell(step)
    const round = (this.lastRound += 1)
    const id = await insertJob(this.postgres.pool, this.analysisId, { parameters: { round } })
    await waitUntil(`it stands at ${step}`, () => this.executor?.lines.includes(`at ${step}`))
    return { round, id }
  }

  tell(line: string): void {
    this.executor?.child.stdin?.write(`${line}\n`)
  }
}

function killDuckdb(pid: number): void {
  for (const child of descendantsOf(pid)) {
    try {
      const command = readFileSync(`/proc/${child}/environ`, 'utf8')
      // The one with a setting of malloc is DuckDB's; what surrounds it has it too, and goes with it.
      if (command.includes('MALLOC_ARENA_MAX')) process.kill(child, 'SIGKILL')
    } catch {
      // Gone already.
    }
  }
}

/** A file of commits, opened before its tests and closed after them. */
export function useCommits(): Commits {
  const commits = new Commits()
  beforeAll(() => commits.open())
  afterAll(() => commits.close())
  return commits
}

/** A hundred rounds come to three victims: five times after each step, and nine at any moment. */
export function describeKills(victim: Victim): void {
  describe(`a kill of the ${victim} during the commit of a project database`, () => {
    const commits = useCommits()
    // The first effect makes the table that all of them are counted in.
    beforeAll(async () => {
      const { round, id } = await commits.standAt('finished')
      commits.tell('go')
      await commits.expectEffects([[round, await commits.statusOf(id)]])
    })

    it.each(steps)('after: %s', { timeout: 300_000 }, async (step) => {
      const ended: Ended[] = []
      for (let turn = 0; turn < 5; turn += 1) {
        const { round, id } = await commits.standAt(step)
        await commits.kill(victim)
        commits.tell('go')
        ended.push([round, await commits.statusOf(id)])
      }
      await commits.expectEffects(ended)
    })

    it('at any moment', { timeout: 300_000 }, async () => {
      const ended: Ended[] = []
      for (let turn = 0; turn < 9; turn += 1) {
        const { round, id } = await commits.standAt('script ended')
        commits.tell('go')
        const until = performance.now() + turn * 2
        await waitUntil('a moment has passed', () => performance.now() > until)
        await commits.kill(victim)
        ended.push([round, await commits.statusOf(id)])
      }
      await commits.expectEffects(ended)
    })
  })
}
