import { readFile } from 'node:fs/promises'
import type { Context } from '../context.ts'
import { keyFileOf } from '../datasources/index.ts'
import { errorCodeOf } from '../errors/index.ts'
import { type DataFolder, fileError, openDataFolder } from '../os/index.ts'
import { copyResults } from './copy-results.ts'
import type { Making, PartOfManifest } from './making.ts'
import type { BackedUpPostgres, BackupProblem, StoredObject } from './manifest.ts'
import { copyTables } from './postgres/copy-tables.ts'
import { dumpDatabase } from './postgres/dump-database.ts'
import { findDumpTool } from './postgres/find-dump-tool.ts'
import { type Snapshot, openSnapshot } from './postgres/open-snapshot.ts'
import {
  type ResultRow,
  hasStoredSecrets,
  readFacts,
  readResultRows,
  readSystemIdentifier,
} from './postgres/read-facts.ts'
import { PhaseMeter } from './progress.ts'
import { writeObject } from './write-object.ts'

/** Kiln's tables, the stored results that their rows name, and the key of their secrets. */
export async function backUpPostgres(context: Context, making: Making): Promise<PartOfManifest> {
  const { postgres, resultRows, needsKey } = await readDatabase(context, making)
  // Not under the snapshot: an old one slows the queue.
  const dataFolder = await openDataFolder(context.settings.dataDir)
  const meter = new PhaseMeter('results', null, making.input.onProgress)
  const { folder, key } = making
  const { results, problems } = await copyResults({
    rows: resultRows,
    dataFolder,
    folder,
    key,
    signal: context.signal,
    onBytes: meter.addBytes,
  })
  const kept = await keepKey(dataFolder, making, needsKey)
  return {
    postgres,
    results,
    datasourceKey: kept.object,
    problems: [...problems, ...kept.problems],
    notes: kept.notes,
    dataFolders: [dataFolder.id],
  }
}

interface DatabasePart {
  readonly postgres: BackedUpPostgres
  readonly resultRows: readonly ResultRow[]
  readonly needsKey: boolean
}

async function readDatabase(context: Context, making: Making): Promise<DatabasePart> {
  const { database, signal } = context
  const { folder, key, input } = making
  const isFull = input.profile === 'full'
  // What is missing is told before anybody waits.
  const tool = isFull ? await findDumpTool(context) : undefined
  const snapshot = await openSnapshot({
    target: database.target,
    signal,
    readers: input.readers ?? 2,
    lockTimeoutMs: input.lockTimeoutMs ?? 30_000,
    silenceLimitMs: input.silenceLimitMs ?? 60_000,
  })
  try {
    const { tableBytes, ...facts } = await readFacts(snapshot)
    const rowFormat = input.rowFormat ?? 'text'
    const resultRows = await readResultRows(snapshot)
    const needsKey = await hasStoredSecrets(snapshot)
    const systemIdentifier = await readSystemIdentifier(snapshot)
    const dump = tool ? await dumpDatabase(context, making, tool, snapshot) : null
    const meter = new PhaseMeter('postgres', tableBytes, input.onProgress)
    const tables = await copyTables(snapshot, {
      folder,
      key,
      rowFormat,
      signal,
      onBytes: meter.addBytes,
      onRows: meter.addRows,
    })
    await stillThere(snapshot)
    const postgres: BackedUpPostgres = {
      ...facts,
      systemIdentifier,
      snapshot: snapshot.id,
      rowFormat,
      tables: [...tables],
      dump,
    }
    return { postgres, resultRows, needsKey }
  } finally {
    await snapshot.close()
  }
}

/** A connection that was lost has let go of its locks: what it read last may be torn. */
async function stillThere({ readers }: Snapshot): Promise<void> {
  for (const reader of readers) await reader.ask('select')
}

interface KeptKey {
  readonly object: StoredObject | null
  readonly problems: readonly BackupProblem[]
  readonly notes: readonly string[]
}

/** A key beside the secrets that it opens protects nothing: it goes into encrypted sets only. */
async function keepKey(
  { path: dataDir }: DataFolder,
  { folder, key }: Making,
  needsKey: boolean,
): Promise<KeptKey> {
  const file = keyFileOf(dataDir)
  const bytes = await readFile(file).catch((error: unknown) => {
    if (errorCodeOf(error) !== 'ENOENT') throw fileError(error, file)
    return undefined
  })
  if (bytes === undefined) {
    if (!needsKey) return { object: null, problems: [], notes: [] }
    const reason = `datasources have stored secrets, and their key is not in this data folder`
    return key === null
      ? { object: null, problems: [], notes: [reason] }
      : { object: null, problems: [{ part: 'keys', name: 'datasources.key', reason }], notes: [] }
  }
  if (key === null) {
    const note = `the key of stored datasource secrets (${file}) is not in it, since it is not encrypted: keep a copy of that file, or add --encrypt`
    return { object: null, problems: [], notes: [note] }
  }
  const path = 'keys/datasources.key'
  const object = await writeObject({ folder, path, source: [bytes], codec: 'none', key })
  return { object, problems: [], notes: [] }
}
