import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Kysely, PostgresDialect as KyselyPostgres } from 'kysely'
import { PostgresDialect, generate } from 'kysely-codegen'
import pg from 'pg'
import { readCatalogue } from '../src/core/migrate/index.ts'
import { databaseUrl, query, startTestServer } from '../test/support/test-server.ts'

const root = path.resolve(import.meta.dirname, '..')

/**
 * Writes what the migrations make of an empty database: table types for Kysely, and the catalogue
 * that `migrate verify` compares with. Returns the files that differed, as paths from the root;
 * with `isCheck` it writes nothing.
 */
export async function generateSchema({
  isCheck,
}: {
  readonly isCheck: boolean
}): Promise<string[]> {
  const server = await startTestServer()
  const name = `kiln_generate_${process.pid}`
  try {
    const { serverUrl, templateName } = server.run
    await query(serverUrl, `create database ${name} template ${templateName}`)
    const files = await schemaFiles(databaseUrl(serverUrl, name))
    await query(serverUrl, `drop database ${name}`)
    const changed = files.filter(([file, text]) => read(file) !== text)
    if (!isCheck) for (const [file, text] of changed) writeFileSync(path.join(root, file), text)
    return changed.map(([file]) => file)
  } finally {
    await server.stop()
  }
}

async function schemaFiles(
  connectionString: string,
): Promise<readonly (readonly [string, string])[]> {
  const pool = new pg.Pool({ connectionString })
  try {
    return [
      ['src/core/database/schema.generated.ts', await tableTypes(pool)],
      ['src/core/migrate/expected-schema.generated.ts', await expectedSchema(pool)],
    ]
  } finally {
    await pool.end()
  }
}

/** Types as Kiln's own parsers give them: timestamps are text, 64-bit integers numbers. */
async function tableTypes(pool: pg.Pool): Promise<string> {
  return generate({
    // Its end would end the pool, which is ours.
    db: new Kysely<unknown>({ dialect: new KyselyPostgres({ pool }) }),
    dialect: new PostgresDialect({ dateParser: 'string' }),
    camelCase: true,
    // The ledger belongs to the runner, which has its own statements.
    excludePattern: 'kiln_migrations',
    typeMapping: { timestamptz: 'string', date: 'string', int8: 'number', numeric: 'string' },
    outFile: null,
  })
}

async function expectedSchema(pool: pg.Pool): Promise<string> {
  const client = await pool.connect()
  try {
    const catalogue = JSON.stringify(await readCatalogue(client), null, 2)
    return `/** Made from the migrations by "npm run generate"; do not edit. */
export const expectedSchema: Readonly<Record<string, string>> = ${catalogue}
`
  } finally {
    client.release()
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(path.join(root, file), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
