import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { KilnError, errorCodeOf } from '../errors/index.ts'
import { fileError } from '../os/index.ts'
import { defaultMigrationsFolder, listMigrationFiles } from './load-migrations.ts'

export interface CreateInput {
  /** Free text; lower case and underscores are made of it. */
  readonly name: string
  readonly isTransactional: boolean
  readonly migrationsFolder?: string | undefined
}

/**
 * Writes a new migration file with the next version and returns its path. Never overwrites.
 *
 * @throws KilnError USAGE for a name without letters or digits, FILE_UNWRITABLE, FILE_NOT_FOUND.
 */
export async function createMigration(
  input: CreateInput,
): Promise<{ readonly version: string; readonly name: string; readonly file: string }> {
  const folder = input.migrationsFolder ?? defaultMigrationsFolder()
  const name = input.name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
  if (name === '') {
    throw new KilnError('USAGE', `a migration cannot be named "${input.name}"`, {
      hint: 'use letters or digits: kiln migrate create add_job_priority',
    })
  }
  const newest = (await listMigrationFiles(folder)).at(-1)?.version ?? '0'
  const version = String(BigInt(newest) + 1n).padStart(4, '0')
  const file = path.join(folder, `${version}_${name}.sql`)
  try {
    await writeFile(file, templateOf(input.isTransactional), { flag: 'wx' })
  } catch (error) {
    if (errorCodeOf(error) !== 'EEXIST') throw fileError(error, file)
    throw new KilnError('FILE_UNWRITABLE', `${file} exists already`, { hint: 'run it again' })
  }
  return { version, name, file }
}

function templateOf(isTransactional: boolean): string {
  const option = isTransactional ? '' : ' transaction:false'
  return `-- Why this change.\n\n-- migrate:up${option}\n\n-- migrate:down${option}\n`
}
