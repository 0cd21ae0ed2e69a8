/** Manifests of people who mean harm: their digests are right, and what they say is not. */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Repository,
  ensureRepository,
  listBackups,
  openSet,
  verifyBackup,
} from '../../../src/core/backup/index.ts'
import type { Context } from '../../../src/core/context.ts'
import { buildSet, manifestFileOf } from '../../support/backup-set.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../../support/temporary-folder.ts'

let folder: TemporaryFolder
let repository: Repository
beforeAll(async () => {
  folder = await createTemporaryFolder('hostile')
  repository = await ensureRepository(`${folder.path}/repo`)
})
afterAll(() => folder.remove())

// oxlint-disable-next-line typescript/no-explicit-any -- whatever a manifest may hold
type Json = any

function forge(id: string, change: (manifest: Json) => Json): void {
  const file = manifestFileOf(repository, id)
  const { manifest, hmac } = JSON.parse(readFileSync(file, 'utf8')) as Json
  const changed = change(manifest)
  const text = typeof changed === 'string' ? changed : JSON.stringify(manifest)
  const digest = createHash('sha256').update(text).digest('hex')
  writeFileSync(
    file,
    `{"format":1,"sha256":"${digest}","hmac":${JSON.stringify(hmac)},"manifest":${text}}\n`,
  )
}

const database = (object: Json) => ({
  project_id: 'shop',
  home_folder: 'x',
  file: { ...object, path: 'duckdb/shop/shop.duckdb' },
  log: null,
  duckdb_version: 'v1',
  tables: [],
})

const cases: readonly (readonly [string, (manifest: Json) => Json])[] = [
  ['nested deeper than can be walked', () => `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`],
  [
    'a migration without a number',
    (m) => (m.postgres.migrations = [{ version: 'x', checksum: '' }]),
  ],
  ['a job that has no id', (m) => (m.results[0].job_id = 'x; drop table analyses')],
  ['a file name longer than a disk takes', (m) => (m.config.path = `config/${'a'.repeat(300)}`)],
  ['more rows than can be counted', (m) => (m.postgres.tables[0].rows = 1e300)],
  ['a table twice', (m) => m.postgres.tables.push({ ...m.postgres.tables[0], objects: [] })],
  ['a file of another folder', (m) => (m.config.path = 'config/../../../other/manifest.json')],
  [
    'a project that Postgres cannot name',
    (m) => m.duckdb.push({ ...database(m.config), project_id: 'a\0b' }),
  ],
  [
    'a project twice',
    (m) => {
      const one = database(m.config)
      const other = { ...one.file, path: 'duckdb/shop/other.duckdb' }
      m.duckdb.push(one, { ...one, file: other })
    },
  ],
]

describe('a manifest with', () => {
  it.each(cases)('%s is damage: it is named so, and hides no other set', async (_, change) => {
    const sound = await buildSet(repository)
    const id = await buildSet(repository)
    forge(id, change)
    await expect(openSet(repository, { name: id })).rejects.toMatchObject({
      code: 'BACKUP_DAMAGED',
      exitCode: 1,
    })
    const listed = await listBackups(repository)
    expect(listed.find((set) => set.id === id)?.status).toBe('damaged')
    expect(listed.find((set) => set.id === sound)?.status).toBe('complete')
    const input = { repository: repository.path, set: id, level: 'full' } as const
    const context = { clock: { now: Date.now, monotonic: () => 0 } } as unknown as Context
    expect(await verifyBackup(context, input)).toMatchObject({ isSound: false })
  })

  it('a cost that scrypt does not know is damage too, with the passphrase', async () => {
    const id = await buildSet(repository, { passphrase: 'p' })
    forge(id, (m) => (m.encryption.kdf.cost = 3))
    await expect(openSet(repository, { name: id, passphrase: 'p' })).rejects.toMatchObject({
      code: 'BACKUP_DAMAGED',
    })
  })

  it('keys that objects are born with is read like any other', async () => {
    const id = await buildSet(repository)
    forge(id, (m) => {
      const text = JSON.stringify(m)
      return `${text.slice(0, -1)},"__proto__":{"label":"x"},"constructor":{"prototype":{"label":"x"}}}`
    })
    const { manifest } = await openSet(repository, { name: id })
    expect(manifest.label).toBeNull()
    expect(({} as { label?: string }).label).toBeUndefined()
  })
})
