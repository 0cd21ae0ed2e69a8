import { readFile, readdir } from 'node:fs/promises'
import path from 'node:path'
import { KilnError } from '../errors/index.ts'
import { fileError, packageRoot } from '../os/index.ts'
import { type Migration, parseMigration, versionOfFileName } from './migration-file.ts'

/** Where Kiln's own migrations lie; sources and build read the same folder. */
export function defaultMigrationsFolder(): string {
  return path.join(packageRoot(), 'migrations')
}

/** Versions are numbers of any length: compared as such, without a limit. */
export function compareVersions(a: string, b: string): number {
  const difference = BigInt(a) - BigInt(b)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/**
 * Reads the names of all migrations of a folder, lowest version first. Files that do not end in
 * `.sql` are ignored.
 *
 * @throws KilnError MIGRATION_INVALID for a bad name or two files of one version, FILE_NOT_FOUND.
 */
export async function listMigrationFiles(
  folder: string,
): Promise<readonly { readonly version: string; readonly fileName: string }[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw fileError(error, folder)
  })
  const files = names
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((fileName) => ({ version: versionOfFileName(fileName)?.version, fileName }))
  const seen = new Map<bigint, string>()
  for (const { version, fileName } of files) {
    if (version === undefined) {
      throw new KilnError(
        'MIGRATION_INVALID',
        `${fileName}: the name is not like 0001_what_it_does.sql`,
        { hint: 'rename the file', details: { file: fileName } },
      )
    }
    const other = seen.get(BigInt(version))
    if (other !== undefined) {
      throw new KilnError(
        'MIGRATION_INVALID',
        `${fileName}: version ${version} is also that of ${other}`,
        { hint: 'give the newer file the next free number', details: { file: fileName } },
      )
    }
    seen.set(BigInt(version), fileName)
  }
  return files
    .map(({ version, fileName }) => ({ version: version ?? '', fileName }))
    .sort((a, b) => compareVersions(a.version, b.version))
}

/**
 * Reads and checks all migrations of a folder, lowest version first. Gaps between versions are
 * allowed.
 *
 * @throws KilnError MIGRATION_INVALID naming file and line, FILE_NOT_FOUND for the folder.
 */
export async function loadMigrations(
  folder: string = defaultMigrationsFolder(),
  options: { readonly allowEmpty?: boolean } = {},
): Promise<readonly Migration[]> {
  const files = await listMigrationFiles(folder)
  return Promise.all(
    files.map(async ({ fileName }) => {
      const file = path.join(folder, fileName)
      const content = await readFile(file, 'utf8').catch((error: unknown) => {
        throw fileError(error, file)
      })
      return parseMigration(fileName, content, options)
    }),
  )
}

/** @throws KilnError MIGRATION_NOT_FOUND. */
export function findMigration(migrations: readonly Migration[], version: string): Migration {
  const found = /^\d+$/.test(version)
    ? migrations.find((migration) => compareVersions(migration.version, version) === 0)
    : undefined
  if (found) return found
  throw new KilnError('MIGRATION_NOT_FOUND', `there is no migration ${version}`, {
    hint: 'run: kiln migrate status',
  })
}
