import { migrateUp } from '../../src/core/migrate/index.ts'

/** Brings a database to the newest schema, as `kiln migrate` does. */
export async function migrateTemplate(url: string): Promise<void> {
  const target = { config: { connectionString: url }, label: 'the test server', isPrivate: false }
  await migrateUp({ database: { target } })
}
