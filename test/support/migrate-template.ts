import { readFile, readdir } from 'node:fs/promises'
import path from 'node:path'
import pg from 'pg'

const folder = path.resolve(import.meta.dirname, '../../migrations')

/** Applies all migrations to a database, in order. */
export async function migrateTemplate(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    for (const name of (await readdir(folder)).toSorted()) {
      const [, up = ''] = (await readFile(path.join(folder, name), 'utf8')).split(
        /^-- migrate:\w+.*$/m,
      )
      await client.query(up)
    }
  } finally {
    await client.end()
  }
}
