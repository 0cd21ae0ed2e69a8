import { Kysely, PostgresDialect as KyselyPostgres } from 'kysely'
import { PostgresDialect, generate } from 'kysely-codegen'
import pg from 'pg'
import { readCatalogue } from '../src/core/migrate/index.ts'

/**
 * What the migrations have made of a database: table types for Kysely, and the catalogue that
 * `migrate verify` compares with. Texts, by their files' paths from the root.
 */
export async function schemaFiles(connectionString: string): Promise<Map<string, string>> {
  const pool = new pg.Pool({ connectionString })
  try {
    return new Map([
      ['src/core/database/schema.generated.ts', await tableTypes(pool)],
      ['src/core/migrate/expected-schema.generated.ts', await expectedSchema(pool)],
    ])
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
