import { randomBytes } from 'node:crypto'
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StoredObject } from '../../../src/core/backup/manifest.ts'
import { readObject } from '../../../src/core/backup/read-object.ts'
import { writeObject } from '../../../src/core/backup/write-object.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../../support/temporary-folder.ts'

const segmentBytes = 1024 * 1024
let folder: TemporaryFolder
let count = 0
beforeAll(async () => {
  folder = await createTemporaryFolder('objects')
})
afterAll(() => folder.remove())

const write = (source: Buffer[], codec: 'zstd' | 'none', key: Buffer | null) =>
  writeObject({ folder: folder.path, path: `pg/${(count += 1)}`, source, codec, key })
async function read(object: StoredObject, key: Buffer | null): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of readObject({ folder: folder.path, key, segmentBytes }, object)) {
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
const fileOf = (object: StoredObject) => path.join(folder.path, object.path)

const key = randomBytes(32)
const cases = [
  ['compressed', 'zstd', null],
  ['as they are', 'none', null],
  ['compressed and encrypted', 'zstd', key],
  ['encrypted', 'none', key],
] as const

describe.each(cases)('bytes stored %s', (_, codec, used) => {
  it.each([0, 1, segmentBytes - 1, segmentBytes, segmentBytes + 1, 3 * segmentBytes])(
    'come back as they were: %i bytes',
    async (size) => {
      const bytes = randomBytes(size)
      const object = await write(
        [bytes.subarray(0, size >> 1), bytes.subarray(size >> 1)],
        codec,
        used,
      )
      expect(object.plainBytes).toBe(size)
      expect(object.storedBytes).toBe(readFileSync(fileOf(object)).length)
      expect((await read(object, used)).equals(bytes)).toBe(true)
    },
  )

  it('are refused after a byte was changed anywhere', async () => {
    const object = await write([Buffer.from('some rows of a table\n'.repeat(3))], codec, used)
    const stored = readFileSync(fileOf(object))
    for (let at = 0; at < stored.length; at += 3) {
      const changed = Buffer.from(stored)
      changed.writeUInt8((changed[at] ?? 0) ^ 1, at)
      writeFileSync(fileOf(object), changed)
      await expect(read(object, used)).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' })
    }
  })

  it('are refused when they are cut off anywhere', async () => {
    const object = await write([randomBytes(segmentBytes + 100)], codec, used)
    const stored = readFileSync(fileOf(object))
    const sealed = segmentBytes + 16
    for (const size of [0, 1, 16, 17, 16 + sealed, stored.length - 1]) {
      writeFileSync(fileOf(object), stored)
      truncateSync(fileOf(object), size)
      await expect(read(object, used)).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' })
    }
  })

  it('are refused with something behind them', async () => {
    const object = await write([Buffer.from('rows\n')], codec, used)
    const frame = zstdCompressSync('more rows\n')
    appendFileSync(fileOf(object), frame)
    await expect(read(object, used)).rejects.toThrow(`${object.path} is damaged: it has`)
    const grown = { ...object, storedBytes: object.storedBytes + frame.length }
    await expect(read(grown, used)).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' })
  })
})

it('does not take an encrypted file for another one of the same set', async () => {
  const [first, second] = [
    await write([Buffer.from('first')], 'none', key),
    await write([Buffer.from('other')], 'none', key),
  ]
  writeFileSync(fileOf(first), readFileSync(fileOf(second)))
  await expect(read({ ...first, sha256: second.sha256 }, key)).rejects.toThrow(
    'it was changed after it was encrypted',
  )
})

it('says that a file is missing', async () => {
  const object = await write([Buffer.from('rows')], 'zstd', null)
  await expect(read({ ...object, path: 'pg/none' }, null)).rejects.toThrow(
    'pg/none is damaged: it is missing',
  )
})

it('stops unpacking a file that holds more than it says', async () => {
  const object = await write([Buffer.alloc(50 * 1024 * 1024)], 'zstd', null)
  await expect(read({ ...object, plainBytes: 10 }, null)).rejects.toMatchObject({
    code: 'BACKUP_DAMAGED',
  })
})
