import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'

export interface JobList {
  /** Environment of a command that reads it. */
  readonly environment: Readonly<Record<string, string>>
  remove(): void
}

/** A private Postgres in a temporary folder, with `jobs` jobs in its queue. */
export async function createJobList(kiln: string, jobs: number): Promise<JobList> {
  // Short, since it holds a socket.
  const folder = mkdtempSync(path.join(tmpdir(), 'kiln-bench-'))
  const environment = { ANALYSIS_DATA_DIR: folder, DATABASE_URL: '' }
  const run = (...args: string[]): string =>
    execFileSync(kiln, args, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
    })
  const remove = (): void => {
    run('db', 'stop', '--quiet')
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    run('migrate', 'up', '--quiet')
    const client = new pg.Client({ connectionString: run('db', 'url').trim() })
    await client.connect()
    await client.query(
      `with analysis as (
         insert into analyses (title, script_content, project_id)
         values ('Bench', 'export default () => 1', 'bench')
         returning id
       )
       insert into analysis_jobs (analysis_id)
       select analysis.id from analysis, generate_series(1, ${jobs})`,
    )
    await client.end()
    return { environment, remove }
  } catch (error) {
    remove()
    throw error
  }
}
