import { chmodSync, statSync } from 'node:fs'
import { checkSettings, envFiles, secretFiles } from '../../../config/index.ts'
import { shellWord } from '../../../units/index.ts'
import { settingJudges } from '../../setting-judges.ts'
import { type Check, critical, judge, ok, skipped, warning } from '../check.ts'
import { sql } from 'kysely'

const group = 'settings'

interface OpenableFile {
  readonly file: string
  readonly mode: number
  readonly uid: number
  /** Bits that it must not have. */
  readonly closed: number
  /** It may be given another mode. */
  readonly isOurs: boolean
}

function envFile(file: string): OpenableFile {
  const { mode, uid } = statSync(file)
  return { file, mode, uid, closed: 0o077, isOurs: true }
}

/**
 * One that another account has put there, as a file of a container or of root, is often read by its
 * group. One that is not there is told of by `settings.valid`.
 */
function secretFile(file: string): OpenableFile[] {
  const found = statSync(file, { throwIfNoEntry: false })
  if (!found?.isFile()) return []
  const { mode, uid } = found
  const isOurs = uid === process.geteuid?.()
  return [{ file, mode, uid, closed: isOurs ? 0o077 : 0o007, isOurs }]
}

const namesOf = (files: readonly OpenableFile[]): string => files.map(({ file }) => file).join(', ')

const close = (files: readonly OpenableFile[]): void =>
  files.forEach(({ file }) => chmodSync(file, 0o600))

export const settingsChecks: readonly Check[] = [
  {
    id: 'settings.valid',
    group,
    title: 'settings have possible values, and no unknown names',
    needs: 'nothing',
    look({ flags }) {
      const problems = checkSettings({ flags }, settingJudges)
      if (problems.length === 0) return ok('all settings can be read')
      const fact = problems.map(({ problem }) => problem).join('; ')
      const mend = 'kiln config check'
      return problems.some(({ level }) => level === 'error')
        ? critical(fact, { mend })
        : warning(fact, { mend })
    },
  },
  {
    id: 'settings.files',
    group,
    title: 'others cannot read .env files and files of secrets',
    needs: 'nothing',
    look() {
      const files = [...envFiles().map(envFile), ...secretFiles().flatMap(secretFile)]
      if (files.length === 0) return ok('there is no .env file here, and no file of a secret')
      const open = files.filter(({ mode, closed }) => (mode & closed) !== 0)
      if (open.length === 0) return ok(`${namesOf(files)}: for their owner alone`)
      const own = open.filter(({ isOurs }) => isOurs)
      const others = open.filter(({ isOurs }) => !isOurs)
      const mends = [
        ...(own.length > 0
          ? [`chmod 600 ${own.map(({ file }) => shellWord(file)).join(' ')}`]
          : []),
        ...others.map(({ file, uid }) => `as uid ${uid}: chmod o-rwx ${shellWord(file)}`),
      ]
      return warning(`others may read ${namesOf(open)}`, {
        threshold: 'mode 0600',
        mend: mends.join('; '),
        ...(own.length > 0 ? { repair: { kind: 'files', run: () => close(own) } } : {}),
      })
    },
  },
  {
    id: 'settings.api-token',
    group,
    title: 'the token of the HTTP interface is hard to guess',
    needs: 'settings',
    look({ settings: { apiToken } }) {
      if (apiToken === undefined) return ok('jobs cannot be queued over HTTP')
      return apiToken.length >= 32
        ? ok(`the token has ${apiToken.length} characters`, '32 or more')
        : warning(`the token has ${apiToken.length} characters`, {
            threshold: '32 or more',
            mend: 'make one: openssl rand -hex 32',
          })
    },
  },
  {
    id: 'settings.address',
    group,
    title: 'the service is not open to the network without a token',
    needs: 'settings',
    look({ settings: { host, apiToken } }) {
      const isLocal = host === 'localhost' || host === '::1' || host.startsWith('127.')
      if (isLocal) return ok(`the service listens on ${host}`)
      return apiToken === undefined
        ? warning(`the service listens on ${host}, and who reaches it reads its metrics`, {
            mend: 'put it behind a proxy, or set HOST=127.0.0.1',
          })
        : ok(`the service listens on ${host}, jobs need the token`)
    },
  },
  {
    id: 'settings.pool',
    group,
    title: 'the services together leave connections for others',
    needs: 'database',
    look: ({ ask, settings }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ services: number; most: number }>`
          select
            (
              select count(*)::integer
              from analysis_executors
              where kind = 'service'
                and stopped_at is null
                and beat_at > now() - interval '8 seconds'
            ) as services,
            current_setting('max_connections')::integer
              - current_setting('superuser_reserved_connections')::integer as most
        `.execute(queries)
        const row = rows[0]
        if (!row) return skipped('the server does not say')
        const wanted = Math.max(1, row.services) * (settings.databasePoolSize + 2)
        return judge(
          wanted / row.most,
          { warning: 0.9 },
          {
            fact: `${Math.max(1, row.services)} services may open ${wanted} of ${row.most} connections`,
            threshold: '90 %',
            mend: 'lower DATABASE_POOL_SIZE or raise max_connections: kiln config suggest',
          },
        )
      }),
  },
]
