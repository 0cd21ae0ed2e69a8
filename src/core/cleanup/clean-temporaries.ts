import path from 'node:path'
import { fileExists, filesHeldOpen } from '../os/index.ts'
import { orphanAgeMs } from './clean-orphans.ts'
import type { FileWork } from './file-kinds.ts'

const bigTemporaryBytes = 100 * 1024 ** 2
/**
 * Whether a process of another account or container has a file open cannot be seen from here, but what
 * one writes to is young. Twice the time that a job has by default, so that one that wrote at its
 * beginning and works on keeps its file, too.
 */
const bigTemporaryAgeMs = 3_600_000

/** Of other programs, of DuckDB while it writes, and of running jobs: nothing of ours to clean. */
const foreign = ['postgres', 'databases', 'jobs']

/** What `writeFileAtomically` leaves beside a file when it dies. */
const halfWritten = /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/

/**
 * `*.tmp` files over 100 MB that no process has open and none has written to for an hour, and smaller
 * ones that a dead process of ours left half written a day ago. Other programs call their files so too:
 * in a folder that is not known to be ours they are left alone.
 */
export async function cleanTemporaries(work: FileWork): Promise<void> {
  if (!work.standing.isKnown) return
  const found: { file: string; isBig: boolean }[] = []
  await collect(work, work.files.folder.path, found, 0)
  const big = found.filter(({ isBig }) => isBig).map(({ file }) => file)
  const held = big.length > 0 ? filesHeldOpen(big) : new Set<string>()
  for (const { file } of found) {
    if (held.has(file)) continue
    const bytes = await work.files.remove(file)
    if (bytes !== undefined) work.count({ files: 1, bytes })
  }
}

async function collect(
  work: FileWork,
  folder: string,
  found: { file: string; isBig: boolean }[],
  depth: number,
): Promise<void> {
  work.checkTime()
  // A repository of backups builds its sets in temporary files.
  if (await fileExists(path.join(folder, 'repo.json'))) return
  for (const { name, isFolder } of await work.files.list(folder)) {
    const file = path.join(folder, name)
    if (isFolder) {
      if (depth > 0 || !foreign.includes(name)) await collect(work, file, found, depth + 1)
    } else if (name.endsWith('.tmp')) {
      const seen = await work.files.look(file)
      if (!seen) continue
      const isBig = seen.size > bigTemporaryBytes && seen.ageMs > bigTemporaryAgeMs
      if (isBig || (halfWritten.test(name) && seen.ageMs > orphanAgeMs)) found.push({ file, isBig })
    }
  }
}
