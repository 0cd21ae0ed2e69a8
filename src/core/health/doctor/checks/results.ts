import path from 'node:path'
import { sql } from 'kysely'
import { cleanUp, isOverdue } from '../../../cleanup/index.ts'
import { fileExists, findDataFolder, systemClock } from '../../../os/index.ts'
import { formatDuration, formatSize } from '../../../units/index.ts'
import { type Check, critical, ok, skipped, warning } from '../check.ts'

const group = 'results'
/** Of each kind as many as can be looked at within the time of a check. */
const sampleSize = 500
/** A cleanup once a week is often enough; later than that it has stopped. */
const cleanupSlackMs = 7 * 86_400_000
/** Within the time of a check, so that what it found so far is told. */
const lookLimitMs = 1200

export const resultChecks: readonly Check[] = [
  {
    id: 'results.files',
    group,
    title: 'files that rows name are there',
    needs: 'database',
    look: async ({ ask, settings }) => {
      const folder = await findDataFolder(settings.dataDir)
      if (!folder) return skipped('there is no data folder yet')
      const rows = await ask(async (queries) => {
        const found = await sql<{ jobId: string; storagePath: string }>`
          select job_id, storage_path
          from analysis_result_storage
          where data_folder_id = ${folder.id}::uuid
          order by created_at desc
          limit ${sampleSize}
        `.execute(queries)
        return found.rows
      })
      const missing = []
      for (const row of rows) {
        if (!(await fileExists(path.join(folder.path, row.storagePath)))) missing.push(row)
      }
      const first = missing[0]
      if (!first) return ok(`the last ${rows.length} are`)
      return critical(
        `${missing.length} of the last ${rows.length} are missing, the first is ${first.storagePath}`,
        { mend: `restore it from a backup, or run: kiln job retry ${first.jobId}` },
      )
    },
  },
  {
    id: 'results.folders',
    group,
    title: 'results lie in data folders that executors use',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ folder: string; count: number }>`
          select data_folder_id::text as folder, count(*)::integer as count
          from analysis_result_storage
          where data_folder_id is not null
            and data_folder_id not in (
              select data_folder_id from analysis_executors where data_folder_id is not null
            )
          group by data_folder_id
        `.execute(queries)
        const first = rows[0]
        if (!first) return ok('all do')
        return warning(`${first.count} lie in the data folder ${first.folder}, which none uses`, {
          mend: 'start a service with that data folder, or clean it up there',
        })
      }),
  },
  {
    id: 'results.retention',
    group,
    title: 'what is older than its retention is deleted',
    needs: 'database',
    look: ({ ask, settings }) =>
      ask(async (queries) => {
        const startedAt = systemClock.monotonic()
        const isOver = () => systemClock.monotonic() - startedAt > lookLimitMs
        const threshold = `${formatDuration(cleanupSlackMs)} late`
        const late: string[] = []
        for (const kind of ['results', 'jobs'] as const) {
          const found = await isOverdue(queries, settings, {
            kind,
            sinceMs: cleanupSlackMs,
            isOver,
          })
          if (found === undefined) return skipped(`too many old ${kind} that cleanup leaves`)
          if (found) late.push(kind)
        }
        if (late.length === 0) return ok('nothing is overdue', threshold)
        return warning(`overdue: ${late.join(' and ')}`, { threshold, mend: 'kiln cleanup' })
      }),
  },
  {
    id: 'results.leftovers',
    group,
    title: 'few files lie about that nobody names',
    needs: 'database',
    look: async ({ context }) => {
      const report = await cleanUp(context, {
        kinds: ['orphans', 'tmp', 'job-folders'],
        dryRun: true,
        maxDurationMs: lookLimitMs,
      })
      const count = report.items.reduce((sum, item) => sum + item.count, 0)
      const bytes = report.items.reduce((sum, item) => sum + item.bytes, 0)
      const isAll = report.items.every(({ state }) => state !== 'unfinished')
      const fact = `${isAll ? '' : 'at least '}${count} of ${formatSize(bytes)}`
      const threshold = '100, or 100 MB'
      return count >= 100 || bytes >= 100 * 1024 ** 2
        ? warning(fact, { threshold, mend: 'kiln cleanup orphans tmp job-folders' })
        : ok(fact, threshold)
    },
  },
]
