import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import pg from 'pg'
import type { Operator } from '../../../src/core/context.ts'
import type { MigrateContext } from '../../../src/core/migrate/index.ts'
import { type TestDatabase, createTestDatabase } from '../../support/database.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../../support/temporary-folder.ts'

const operator: Operator = { actor: 'tester', source: 'cli' }

/** A database and a folder of migrations for one test. */
export interface Fixture {
  readonly database: TestDatabase
  readonly folder: string
  readonly context: MigrateContext
  /** Writes files, by name; a name with null is deleted. */
  write(files: Readonly<Record<string, string | null>>): Promise<void>
  /** Rows of one statement, on a connection of its own. */
  rows(sql: string): Promise<Record<string, unknown>[]>
  /** A connection that the fixture closes. */
  connect(applicationName?: string): Promise<pg.Client>
  remove(): Promise<void>
}

export async function createFixture(
  options: { readonly migrated?: boolean } = {},
): Promise<Fixture> {
  const database = await createTestDatabase({ migrated: options.migrated ?? false })
  const temporary: TemporaryFolder = await createTemporaryFolder('migrations')
  const folder = path.join(temporary.path, 'migrations')
  await mkdir(folder)
  const clients: pg.Client[] = []
  const connect = async (applicationName = 'test'): Promise<pg.Client> => {
    const client = new pg.Client({
      connectionString: database.connectionString,
      application_name: applicationName,
    })
    client.on('error', () => undefined)
    await client.connect()
    clients.push(client)
    return client
  }
  return {
    database,
    folder,
    context: {
      database: {
        target: {
          config: { connectionString: database.connectionString },
          label: 'the test database',
          isPrivate: false,
        },
      },
      operator,
    },
    connect,
    async write(files) {
      for (const [name, content] of Object.entries(files)) {
        const file = path.join(folder, name)
        if (content === null) await rm(file)
        else await writeFile(file, content)
      }
    },
    async rows(sql) {
      const client = await connect()
      try {
        return (await client.query<Record<string, unknown>>(sql)).rows
      } finally {
        await client.end()
      }
    },
    async remove() {
      await Promise.all(clients.map((client) => client.end().catch(() => undefined)))
      await database.drop()
      await temporary.remove()
    },
  }
}

/** A migration file with an up part, and a down part if given. */
export function file(up: string, down?: string, options: { transaction?: boolean } = {}): string {
  const option = options.transaction === false ? ' transaction:false' : ''
  return [
    `-- migrate:up${option}\n${up}\n`,
    ...(down === undefined ? [] : [`-- migrate:down${option}\n${down}\n`]),
  ].join('\n')
}
