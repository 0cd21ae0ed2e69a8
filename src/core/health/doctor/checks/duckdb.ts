import path from 'node:path'
import { sql } from 'kysely'
import { fileExists, findDataFolder, projectDatabasePath } from '../../../os/index.ts'
import { shellWord } from '../../../units/index.ts'
import { type Attempt, checkDuckdbSelf } from '../../sandbox/duckdb-self-test.ts'
import { type Check, type Finding, critical, ok, skipped, warning } from '../check.ts'

const group = 'duckdb'
/** A process of its own has to start, and load the library. */
const processLimitMs = 20_000

/** What ended otherwise than by its refusal was let through to where it failed. */
function findingOf(
  attempt: Attempt,
  { what, done, mend }: { readonly what: string; readonly done: string; readonly mend: string },
): Finding {
  if (attempt.ended === 'refused') return ok(`${what} was refused`)
  if (attempt.ended === 'done') return critical(done, { mend })
  const [line] = attempt.message.split('\n')
  return critical(`${what} was not refused, it failed: ${line}`, { mend })
}

export const duckdbChecks: readonly Check[] = [
  {
    id: 'duckdb.starts',
    group,
    title: 'DuckDB starts and answers',
    needs: 'nothing',
    limitMs: processLimitMs,
    look: async () => {
      const { version } = await checkDuckdbSelf()
      return ok(`DuckDB ${version}`)
    },
  },
  {
    id: 'duckdb.files-denied',
    group,
    title: 'SQL of a job reads no file of this machine',
    needs: 'nothing',
    limitMs: processLimitMs,
    look: async () => {
      const { fileRead } = await checkDuckdbSelf()
      return findingOf(fileRead, {
        what: 'reading a private file',
        done: 'SQL has read a private file',
        mend: 'do not run scripts of strangers here; report it as docs/security.md says',
      })
    },
  },
  {
    id: 'duckdb.memory-limit',
    group,
    title: 'SQL of a job cannot take more memory than it may',
    needs: 'nothing',
    limitMs: processLimitMs,
    look: async () => {
      const { allocation } = await checkDuckdbSelf()
      return findingOf(allocation, {
        what: 'taking 2 GB',
        done: 'SQL has taken 2 GB under a limit of 256 MB',
        mend: 'lower ulimit -d of the service, and run no SQL of strangers here',
      })
    },
  },
  {
    id: 'duckdb.project-databases',
    group,
    title: 'databases of projects are where they should be',
    needs: 'database',
    look: async ({ ask, settings }) => {
      const folder = await findDataFolder(settings.dataDir)
      if (!folder) return skipped('there is no data folder yet')
      const { rows } = await ask((queries) =>
        sql<{ id: string }>`
          select id from projects where home_folder = ${folder.id} order by id
        `.execute(queries),
      )
      const missing = []
      for (const { id } of rows) {
        if (!(await fileExists(path.dirname(projectDatabasePath(folder, id))))) missing.push(id)
      }
      return missing.length === 0
        ? ok(`${rows.length} in this data folder`)
        : warning(`missing: ${missing.join(', ')}`, {
            mend: 'restore them from a backup, or run a job that makes them anew',
          })
    },
  },
  {
    id: 'duckdb.homes',
    group,
    title: 'a service runs where each project has its database',
    needs: 'database',
    look: ({ ask, settings }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ id: string; home: string }>`
          select project.id, project.home_folder as home
          from projects project
          where project.home_folder is not null
            and not kiln_is_home_served(project.home_folder)
            and exists (
              select
              from analysis_jobs job
              where job.waits_for_slot
                and job.database_home = project.home_folder
            )
          limit 5
        `.execute(queries)
        const first = rows[0]
        if (!first) return ok('no job waits for one')
        return critical(
          `jobs of ${first.id} wait for a service with the data folder ${first.home}`,
          {
            mend: `start one there, or where that folder is lost: kiln project move ${shellWord(first.id)} --home ${shellWord(settings.dataDir)} --without-file`,
          },
        )
      }),
  },
]
