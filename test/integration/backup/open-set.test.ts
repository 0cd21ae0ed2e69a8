import { createHash } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Repository,
  ensureRepository,
  openRepository,
  openSet,
  requireReadable,
} from '../../../src/core/backup/index.ts'
import { readObject } from '../../../src/core/backup/read-object.ts'
import { buildSet, manifestFileOf } from '../../support/backup-set.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../../support/temporary-folder.ts'

let folder: TemporaryFolder
let repository: Repository
beforeAll(async () => {
  folder = await createTemporaryFolder('repository')
  repository = await ensureRepository(`${folder.path}/repo`)
})
afterAll(() => folder.remove())

/** Changes the manifest of a set and makes its digest right again, as somebody who means harm would. */
function forge(id: string, change: (manifest: Record<string, unknown>) => void): void {
  const file = manifestFileOf(repository, id)
  const content = JSON.parse(readFileSync(file, 'utf8')) as {
    format: number
    hmac: string | null
    manifest: Record<string, unknown>
  }
  change(content.manifest)
  const text = JSON.stringify(content.manifest)
  const digest = createHash('sha256').update(text).digest('hex')
  writeFileSync(
    file,
    `{"format":1,"sha256":"${digest}","hmac":${JSON.stringify(content.hmac)},"manifest":${text}}\n`,
  )
}

describe('a set', () => {
  it('is opened by its id, by the beginning of it, and as the latest one', async () => {
    const old = await buildSet(repository, { startedAt: new Date('2026-01-01T00:00:00Z') })
    const partial = await buildSet(repository, {
      startedAt: new Date('2027-01-01T00:00:00Z'),
      status: 'partial',
    })
    const config = await buildSet(repository, {
      startedAt: new Date('2026-06-01T00:00:00Z'),
      parts: ['config'],
    })
    const id = async (name: string, part?: 'postgres') =>
      (await openSet(repository, { name, part })).id
    expect(await id(partial)).toBe(partial)
    expect(await id('20260101T')).toBe(old)
    expect(await id('latest')).toBe(config)
    expect(await id('latest', 'postgres')).toBe(old)
    await expect(id('202')).rejects.toMatchObject({ code: 'USAGE' })
    await expect(id('../../etc')).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' })
  })

  it('is none without a manifest', async () => {
    const id = await buildSet(repository)
    rmSync(manifestFileOf(repository, id))
    await expect(openSet(repository, { name: id })).rejects.toMatchObject({
      code: 'BACKUP_NOT_FOUND',
    })
  })

  it('is refused after a byte of its manifest was changed or is gone, wherever', async () => {
    const id = await buildSet(repository)
    const file = manifestFileOf(repository, id)
    const content = readFileSync(file)
    for (let at = 0; at < content.length; at += at < 200 ? 3 : 41) {
      const changed = Buffer.from(content)
      changed.writeUInt8((changed[at] ?? 0) ^ 1, at)
      writeFileSync(file, changed)
      await expect(openSet(repository, { name: id })).rejects.toMatchObject({
        code: 'BACKUP_DAMAGED',
      })
      writeFileSync(file, content.subarray(0, at))
      await expect(openSet(repository, { name: id })).rejects.toMatchObject({
        code: 'BACKUP_DAMAGED',
      })
    }
    writeFileSync(file, content)
    expect((await openSet(repository, { name: id })).id).toBe(id)
  })

  it('is refused when a newer program made it, naming both formats', async () => {
    const id = await buildSet(repository)
    const file = manifestFileOf(repository, id)
    writeFileSync(file, readFileSync(file, 'utf8').replace('{"format":1,', '{"format":7,'))
    await expect(openSet(repository, { name: id })).rejects.toMatchObject({
      code: 'BACKUP_FORMAT_NEWER',
      message: `${file} has format 7, this program reads up to 1`,
    })
  })

  it.each([
    '../../../etc/passwd',
    '/etc/passwd',
    'pg/../../x',
    'pg/./x',
    'pg//x',
    'pg/a\u0000b',
    'manifest.json',
    'pg',
  ])('is refused when it names the file %j', async (name) => {
    const id = await buildSet(repository)
    forge(id, (manifest) => ((manifest.config as Record<string, unknown>).path = name))
    await expect(openSet(repository, { name: id })).rejects.toThrow('no path of an object')
  })

  it('is refused under the name of another', async () => {
    const [first, second] = [await buildSet(repository), await buildSet(repository)]
    writeFileSync(
      manifestFileOf(repository, first),
      readFileSync(manifestFileOf(repository, second)),
    )
    await expect(openSet(repository, { name: first })).rejects.toThrow(
      `it is the manifest of ${second}`,
    )
  })
})

describe('an encrypted set', () => {
  it('is readable with its passphrase only', async () => {
    const id = await buildSet(repository, { passphrase: 'right' })
    const set = await openSet(repository, { name: id, passphrase: 'right' })
    const chunks: Buffer[] = []
    const [table] = set.manifest.postgres?.tables ?? []
    for await (const chunk of readObject(set, table!.objects[0]!)) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString()).toBe('one\tdefault\ntwo\t\\N\n')
    await expect(openSet(repository, { name: id, passphrase: 'wrong' })).rejects.toMatchObject({
      code: 'BACKUP_PASSPHRASE_WRONG',
    })
    await expect(openSet(repository, { name: id, passphrase: '' })).rejects.toMatchObject({
      code: 'BACKUP_PASSPHRASE_WRONG',
    })
    const closed = await openSet(repository, { name: id })
    expect(() => requireReadable(closed)).toThrow(`${id} is encrypted`)
  })

  it('is refused when somebody without its key changed the manifest', async () => {
    const id = await buildSet(repository, { passphrase: 'right' })
    forge(id, (manifest) => (manifest.label = 'forged'))
    await expect(openSet(repository, { name: id, passphrase: 'right' })).rejects.toThrow(
      'it was not written by who had its key',
    )
  })
})

describe('a repository', () => {
  it('is not made in a folder that holds other things', async () => {
    writeFileSync(`${folder.path}/something`, '')
    await expect(ensureRepository(folder.path)).rejects.toMatchObject({ code: 'FILE_EXISTS' })
    await expect(openRepository(folder.path)).rejects.toMatchObject({
      code: 'BACKUP_REPOSITORY_MISSING',
    })
  })

  it('is one to two who make it at once', async () => {
    const made = await Promise.all([1, 2, 3].map(() => ensureRepository(`${folder.path}/at-once`)))
    expect(new Set(made.map(({ id }) => id)).size).toBe(1)
  })
})
