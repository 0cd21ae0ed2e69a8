import { migrateUp } from '../../src/core/migrate/index.ts'

/** Applies all migrations to a database, in order. */
export async function migrateTemplate(url: string): Promise<void> {
  const target = { config: { connectionString: url }, label: 'the test template', isPrivate: false }
  await migrateUp({ database: { target } })
}
