/** Sets made of a few small objects, without a database. */
import { mkdir } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { createKey } from '../../src/core/backup/encryption.ts'
import { setIdOf, setFolderOf } from '../../src/core/backup/layout.ts'
import { type Manifest, objectsOf } from '../../src/core/backup/manifest.ts'
import { writeManifest } from '../../src/core/backup/manifest-file.ts'
import type { Repository } from '../../src/core/backup/repository.ts'
import { writeObject } from '../../src/core/backup/write-object.ts'

export interface SetOptions {
  readonly startedAt?: Date
  readonly kind?: Manifest['kind']
  readonly status?: Manifest['status']
  readonly passphrase?: string
  readonly parts?: Manifest['parts']
  /** Rows of the one table. */
  readonly rows?: Buffer
}

/** Publishes a set with one table, one result and the configuration; returns its id. */
export async function buildSet(repository: Repository, options: SetOptions = {}): Promise<string> {
  const startedAt = options.startedAt ?? new Date()
  const id = setIdOf(startedAt, options.kind ?? 'manual', randomBytes(4).toString('hex'))
  const folder = setFolderOf(repository.path, id)
  await mkdir(folder, { recursive: true })
  const secret =
    options.passphrase === undefined
      ? { key: null, encryption: null }
      : await createKey(options.passphrase)
  const { key, encryption } = secret
  const object = (name: string, bytes: Buffer, codec: 'zstd' | 'none') =>
    writeObject({ folder, path: name, source: [bytes], codec, key })
  const rows = options.rows ?? Buffer.from('one\tdefault\ntwo\t\\N\n')
  const table = await object('pg/projects-0.copy.zst', rows, 'zstd')
  const result = await object('results/2026/11/29/a.json.gz', Buffer.from('result'), 'none')
  const config = await object('config/settings.json.zst', Buffer.from('{}'), 'zstd')
  const withoutTotals: Omit<Manifest, 'totals'> = {
    format: 1,
    id,
    repositoryId: repository.id,
    kind: options.kind ?? 'manual',
    label: null,
    profile: 'analysis',
    parts: options.parts ?? ['postgres', 'duckdb', 'config'],
    status: options.status ?? 'complete',
    problems: [],
    notes: [],
    startedAt: startedAt.toISOString(),
    finishedAt: startedAt.toISOString(),
    host: 'test',
    programVersion: '0.0.0',
    nodeVersion: process.version,
    dataFolders: [],
    encryption,
    postgres: {
      serverVersion: '15.18',
      serverVersionNumber: 150018,
      systemIdentifier: null,
      database: 'kiln',
      encoding: 'UTF8',
      snapshot: '1',
      rowFormat: 'text',
      migrations: [],
      tables: [
        {
          name: 'projects',
          columns: [
            { name: 'id', type: 'text' },
            { name: 'name', type: 'text' },
          ],
          rows: 2,
          plainBytes: rows.length,
          isRestored: true,
          objects: [{ ...table, rows: 2, pages: null }],
        },
      ],
      dump: null,
    },
    duckdb: [],
    results: [
      {
        jobId: 'd3b8f1f4-0000-4000-8000-000000000001',
        storagePath: 'results/2026/11/29/a.json.gz',
        checksum: result.sha256,
        object: result,
      },
    ],
    datasourceKey: null,
    config,
    envFiles: [],
  }
  const objects = objectsOf(withoutTotals)
  const totals = {
    objects: objects.length,
    storedBytes: objects.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    plainBytes: objects.reduce((sum, { plainBytes }) => sum + plainBytes, 0),
    rows: 2,
  }
  await writeManifest(folder, { ...withoutTotals, totals }, key)
  return id
}

export const manifestFileOf = (repository: Repository, id: string): string =>
  path.join(setFolderOf(repository.path, id), 'manifest.json')
