import { accessSync, constants } from 'node:fs'
import path from 'node:path'
import { sql } from 'kysely'
import { programFolders } from '../../../config/index.ts'
import { fileExists, interruptedRestoreMark, runProgram } from '../../../os/index.ts'
import { formatDuration } from '../../../units/index.ts'
import { type Check, critical, ok, skipped, warning } from '../check.ts'

const group = 'backups'

interface Newest {
  readonly count: number
  readonly verifiedAgeMs: number | null
  readonly status: string | null
  readonly id: string | null
}

const noBackups = skipped('no backup has been made from this database')

const newest = sql<Newest>`
  select count(*)::integer as count,
    -- One that was found damaged was verified too.
    (extract(epoch from now() - max(created_at) filter (where verified_ok)) * 1000)
      ::bigint as verified_age_ms,
    (array_agg(status order by created_at desc))[1] as status,
    (array_agg(id order by created_at desc))[1] as id
  from analysis_backups
`

/** One that is at work holds its connections. */
const restores = sql<{ readonly unfinished: string | null; readonly kept: string | null }>`
  select
    max(id) filter (
      where state in ('staging', 'staged')
        and not exists (
          select
          from pg_stat_activity
          where datname = current_database() and application_name = 'kiln restore'
        )
    ) as unfinished,
    max(id) filter (
      where old_schema is not null and finished_at < now() - interval '14 days'
    ) as kept
  from analysis_restores
`

export const backupChecks: readonly Check[] = [
  {
    id: 'backups.verified',
    group,
    title: 'the newest verified backup is young enough',
    needs: 'database',
    look: ({ ask, backupAgeMs }) =>
      ask(async (queries) => {
        const row = (await newest.execute(queries)).rows[0]
        const threshold = formatDuration(backupAgeMs)
        if (!row || row.count === 0) return noBackups
        if (row.verifiedAgeMs === null) {
          return critical('no backup was ever verified and found sound', {
            threshold,
            mend: `kiln backup verify ${row.id}`,
          })
        }
        const fact = `it is ${formatDuration(row.verifiedAgeMs)} old`
        return row.verifiedAgeMs <= backupAgeMs
          ? ok(fact, threshold)
          : critical(fact, { threshold, mend: 'kiln backup create && kiln backup verify latest' })
      }),
  },
  {
    id: 'backups.complete',
    group,
    title: 'the last backup is complete',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const row = (await newest.execute(queries)).rows[0]
        if (!row || row.count === 0) return noBackups
        return row.status === 'complete'
          ? ok(`${row.id} is`)
          : warning(`${row.id} is partial`, { mend: `kiln backup show ${row.id}` })
      }),
  },
  {
    id: 'backups.restores',
    group,
    title: 'no restore is unfinished, and none keeps what nobody takes back',
    needs: 'database',
    look: async ({ ask, context }) => {
      if (await fileExists(interruptedRestoreMark(context.settings.dataDir))) {
        return critical('a restore of project databases was interrupted: nobody can open any', {
          mend: 'kiln restore duckdb --resume (or --rollback)',
        })
      }
      const row = (await ask((queries) => restores.execute(queries))).rows[0]
      if (row?.unfinished) {
        return warning(`the restore ${row.unfinished} was interrupted: nothing of it is live`, {
          mend: 'kiln restore postgres --resume (or --rollback)',
        })
      }
      if (!row?.kept) return ok('none is')
      return warning(`the tables of before the restore ${row.kept} are kept for over 14 days`, {
        threshold: '14 days',
        mend: 'kiln restore drop-old',
      })
    },
  },
  {
    id: 'backups.tools',
    group,
    title: 'pg_dump is there, and fits the server, for backups of whole databases',
    needs: 'database',
    look: async ({ ask }) => {
      const { rows } = await ask((queries) =>
        sql<{ version: number }>`
          select current_setting('server_version_num')::integer as version
        `.execute(queries),
      )
      const server = Math.floor((rows[0]?.version ?? 0) / 10_000)
      const program = programFolders()
        .map((folder) => path.join(folder, 'pg_dump'))
        .find(isExecutable)
      if (!program) return skipped('pg_dump is not installed; backups of own tables need none')
      const { stdout } = await runProgram(program, ['--version'], { timeoutMs: 1500 })
      const major = Number(/\b(\d+)(\.\d+)?/.exec(stdout)?.[1])
      const fact = `pg_dump ${major}, server ${server}`
      return major >= server
        ? ok(fact, 'the major of the server or newer')
        : warning(fact, {
            threshold: 'the major of the server or newer',
            mend: `apt-get install postgresql-client-${server}`,
          })
    },
  },
]

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
