/** Rows that are hard to carry, and dumps of them, for tests of restores. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Context } from '../../src/core/context.ts'
import {
  type RestoreDumpInput,
  findRestoreTarget,
  restoreDump,
} from '../../src/core/restore/index.ts'
import type { TestContext } from './core-context.ts'
import { insertAnalysis, insertJob } from './queue.ts'

type Pool = Context['database']['pool']

/** True where the tests of dumps can run. */
export const hasPgDump = ((): boolean => {
  try {
    execFileSync('pg_dump', ['--version'])
    return true
  } catch {
    return false
  }
})()

/** What an operator's guide names for the data of the tables. */
export const dataOnly = ['--data-only', '--table=analyses*', '--table=analysis_*']
export const schemaOnly = ['--schema-only', '--table=analyses*', '--table=analysis_*']

export function dump(
  core: Pick<TestContext, 'folder' | 'database'>,
  args: readonly string[],
  { name = 'dump.sql', url = core.database.connectionString, isGzipped = false } = {},
): string {
  const file = path.join(core.folder.path, name)
  const bytes = execFileSync('pg_dump', [...args, url], {
    maxBuffer: 256 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  writeFileSync(file, isGzipped ? gzipSync(bytes) : bytes)
  return file
}

const deep = (levels: number): unknown =>
  levels === 0 ? 'end' : { [`k${levels}`]: [deep(levels - 1)] }

const oddTexts = [
  '',
  ' ',
  '\\',
  '\\N',
  '\\.',
  'a\\b\\\\c',
  'tab\there',
  'line\nfeed',
  'car\rriage\r\n',
  "quo'te''s",
  '"double"',
  '$$dollar$$',
  '; -- /* no comment',
  'emoji 🔥 é 漢字',
  '\u0001\u001f\u007f',
  'null',
  'NULL',
  '{}',
  '%s',
  '\b\f\v',
]

/** Finished jobs, versions and metadata with every odd value, and one job of each other status. */
export async function insertOddRows(pool: Pool): Promise<{ readonly analysisId: string }> {
  const analysisId = await insertAnalysis(pool, `export default () => "a\\tb;"\n// it's ; \\. \n`, {
    title: 'Odd – ünïcode',
    projectId: 'Ödd project/1',
  })
  await pool.query(
    `update analyses set metadata = $2, script_content = script_content || E'\n\\\\.\n' where id = $1`,
    [analysisId, JSON.stringify({ deep: deep(60), texts: oddTexts })],
  )
  await pool.query('update analyses set max_concurrent = null')
  for (const text of oddTexts) {
    await insertJob(pool, analysisId, {
      status: 'completed',
      parameters: JSON.stringify({ [text || 'empty']: text }),
      result: JSON.stringify([text, null, deep(40), 1.5e300, 12345678901234567890n.toString()]),
      logs: [text, '', 'plain'],
      triggered_by: text,
      error_message: text,
      started_at: '0044-03-15T00:00:00.123456Z',
      completed_at: '9999-12-30T23:59:59.999999Z',
      execution_time_ms: '9223372036854775807',
      idempotency_key: `key ${text}`,
    })
  }
  await pool.query(
    `insert into analysis_jobs (analysis_id, status, run_at, logs)
     values ($1, 'completed', 'infinity', array[null, '', 'NULL', '{"a,b"}'])`,
    [analysisId],
  )
  await pool.query(
    `insert into analysis_datasources (project_id, name, type, encrypted_secret, key_id)
     values ('default', 'bytes', 'postgres', (
       select decode(string_agg(lpad(to_hex(n), 2, '0'), ''), 'hex') from generate_series(0, 255) n
     ), 'k')`,
  )
  await pool.query(
    `insert into analysis_metadata (analysis_id, key, value) values ($1, 'k\\', '"\\u0001"')`,
    [analysisId],
  )
  return { analysisId }
}

/** All rows of the tables that must come back as they were. */
export async function readAll(pool: Pool): Promise<Readonly<Record<string, unknown>>> {
  const texts = async (sql: string): Promise<unknown[]> => {
    const { rows } = await pool.query<{ text: string }>(sql)
    return rows.map(({ text }) => text)
  }
  // Of a row its beginning and its hash: whole ones would fill screens when a test fails.
  const whole = (table: string, where = 'true') =>
    texts(
      `select left(t::text, 60) || ' ' || md5((to_jsonb(t) - 'remark')::text) as text
       from ${table} t where ${where} order by 1`,
    )
  return {
    projects: await whole('projects'),
    analyses: await whole('analyses'),
    versions: await whole('analysis_versions'),
    jobs: await whole('analysis_jobs', `status in ('completed', 'failed', 'cancelled')`),
    datasources: await whole('analysis_datasources'),
    metadata: await whole('analysis_metadata'),
    dependencies: await whole('analysis_dependencies'),
    logs: await whole('analysis_job_logs'),
  }
}

/** Restores a dump into the context's own database. */
export async function restoreFrom(
  core: TestContext,
  file: string,
  options: Partial<RestoreDumpInput> = {},
) {
  const target = await findRestoreTarget(core.context, undefined)
  return restoreDump(core.context, { file, target, releases: false, ...options })
}
