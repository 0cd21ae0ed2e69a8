import { randomBytes } from 'node:crypto'
import { databaseUrl, query } from './test-server.ts'
import { testRun } from './test-run.ts'
import { waitUntil } from './wait-until.ts'

export interface TestDatabase {
  /** Fit for DATABASE_URL of a spawned command and for pg. */
  readonly connectionString: string
  readonly name: string
  /** Deletes it; fails, after deleting, when connections were left open. */
  drop(): Promise<void>
}

/**
 * A database of one test file's own: a clone of the migrated template, an empty one, or a copy of
 * another to which nobody is connected.
 */
export async function createTestDatabase(
  options: { readonly migrated?: boolean; readonly copyOf?: TestDatabase } = {},
): Promise<TestDatabase> {
  const { serverUrl, templateName, copyClause } = testRun()
  const name = `kiln_test_${randomBytes(6).toString('hex')}`
  const template = options.copyOf?.name ?? (options.migrated === false ? 'template1' : templateName)
  await query(serverUrl, `create database ${name} template ${template}${copyClause}`)
  return {
    connectionString: databaseUrl(serverUrl, name),
    name,
    async drop() {
      const leaks = await leakedConnections(serverUrl, name)
      await query(serverUrl, `drop database if exists ${name} with (force)`)
      if (leaks.length > 0) throw new Error(`connections were left open:\n${leaks.join('\n')}`)
    },
  }
}

/** The same with a password: the tests' server trusts whoever connects, so that any is right. */
function withPassword(connectionString: string, password: string): string {
  return /\/\/[^/]*@/.test(connectionString)
    ? connectionString.replace(/\/\/([^/:@]*)(:[^/@]*)?@/, `//$1:${password}@`)
    : connectionString.replace('//', `//${process.env.USER ?? 'postgres'}:${password}@`)
}

/** A secret in every setting that takes one. */
export const secretSettings = (connectionString: string, secret: string) => ({
  DATABASE_URL: withPassword(connectionString, secret),
  DATABASE_READONLY_URL: withPassword(connectionString, secret),
  ANALYSIS_API_TOKEN: `${secret}-of-16-or-more`,
  BACKUP_PASSPHRASE: secret,
})

/**
 * Connections that are still there after a moment: a server ends a closed one asynchronously, on a busy
 * machine late.
 */
async function leakedConnections(serverUrl: string, name: string): Promise<readonly string[]> {
  let leaks: string[] = []
  const noneLeft = async (): Promise<boolean> => {
    const { rows } = await query(
      serverUrl,
      `select application_name, state, left(query, 200) as query
       from pg_stat_activity
       where datname = '${name}' and backend_type = 'client backend'`,
    )
    leaks = (rows as { application_name: string; state: string; query: string }[]).map(
      (row) => `${row.application_name} (${row.state}): ${row.query}`,
    )
    return leaks.length === 0
  }
  await waitUntil('all connections are closed', noneLeft, 15_000).catch(() => undefined)
  return leaks
}
