import { randomBytes } from 'node:crypto'
import { chmod, rm } from 'node:fs/promises'
import path from 'node:path'
import type { BackupSet, Drill, VerifyFinding } from '../backup/index.ts'
import { requireReadable } from '../backup/index.ts'
import type { Context } from '../context.ts'
import { isKilnError } from '../errors/index.ts'
import { type DataFolder, ensurePrivateFolder, isRoot } from '../os/index.ts'
import { makeScratchFolder } from './files/scratch-folder.ts'
import { checkDatabase, stageFromSet } from './files/stage-databases.ts'
import { drillNameOf, dropDrillLeftovers } from './postgres/drill-databases.ts'
import { dropDatabase } from './postgres/other-databases.ts'
import { restoreSet } from './restore-set.ts'
import { otherDatabase } from './restore-target.ts'

/** What is wrong with the set; anything else ends the drill. */
const findingCodes = [
  'BACKUP_DAMAGED',
  'BACKUP_DATA_INVALID',
  'RESTORE_REFUSED',
  'SCHEMA_NEWER',
] as const

/**
 * Restores a set into a database and a folder that nobody else has, compares counts and fingerprints with
 * the manifest, and drops both. Returns what is not right. Fit for `verifyBackup`.
 *
 * @throws KilnError BACKUP_PASSPHRASE_MISSING, PERMISSION_DENIED for a role that may not create
 * databases, DISK_FULL.
 */
export const drillSet =
  (context: Context): Drill =>
  async (set, { onProgress }) => {
    requireReadable(set)
    const findings: VerifyFinding[] = []
    const attempt = async (object: string, work: () => Promise<unknown>): Promise<void> => {
      try {
        await work()
      } catch (error) {
        if (!isKilnError(error, ...findingCodes)) throw error
        findings.push({ object, reason: error.message })
      }
    }
    const folder = await makeScratchFolder(set)
    const { postgres, duckdb } = set.manifest
    const totalBytes = set.manifest.totals.plainBytes
    const report = (doneBytes: number) =>
      onProgress?.({ phase: 'verify', doneBytes, totalBytes, rows: 0 })
    try {
      if (postgres) await attempt('pg', () => drillTables(context, set, folder, report))
      if (duckdb.length > 0) {
        const scratch = { path: path.join(folder, 'files'), id: 'drill' }
        await makeOpenFolder(scratch.path)
        let doneBytes = 0
        const onBytes = (bytes: number) => report((doneBytes += bytes))
        await attempt('duckdb', async () => {
          const staged = await stageFromSet(set, { scratch, owner: undefined, onBytes })
          for (const database of staged) {
            await attempt(`duckdb/${database.projectId}`, () =>
              checkDatabase(context, scratch, database, undefined),
            )
          }
        })
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
    return findings
  }

async function makeOpenFolder(folder: string): Promise<DataFolder['path']> {
  await ensurePrivateFolder(folder)
  if (isRoot()) await chmod(folder, 0o711)
  return folder
}

async function drillTables(
  context: Context,
  set: BackupSet,
  folder: string,
  report: (doneBytes: number) => void,
): Promise<void> {
  await dropDrillLeftovers(context.database.target, context.clock.now())
  const databaseName = drillNameOf(context.clock.now(), randomBytes(4).toString('hex'))
  const connection = otherDatabase(context.database.target, databaseName)
  // Results go into the scratch folder; the repository's lock is the verification's own matter.
  const settings = { ...context.settings, dataDir: path.join(folder, 'data') }
  try {
    await restoreSet(
      { ...context, settings },
      {
        set,
        target: { connection, databaseName, exists: false },
        releases: false,
        isDrill: true,
        onProgress: (event) => {
          if (event.phase === 'loading') report(event.doneBytes)
        },
      },
    )
  } finally {
    await dropDatabase(context.database.target, databaseName)
  }
}
