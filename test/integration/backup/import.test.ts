/** Archives of sets: what goes out comes back, and nothing else is written. */
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { Header } from 'tar'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  ensureRepository,
  exportBackup,
  importBackup,
  listBackups,
  openRepository,
  openSet,
  verifyObjects,
} from '../../../src/core/backup/index.ts'
import { buildSet } from '../../support/backup-set.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'

let test: TestContext
let id: string
let archive: string
beforeAll(async () => {
  test = await openTestContext()
  const repository = await ensureRepository(path.join(test.folder.path, 'repo'))
  id = await buildSet(repository, { passphrase: 'secret' })
  archive = path.join(test.folder.path, 'set.tar')
  await exportBackup(test.context, { repository: repository.path, set: id, file: archive })
})
afterAll(() => test.close())

const importFrom = (file: string, repository = 'target') =>
  importBackup(test.context, { repository: path.join(test.folder.path, repository), file })

/** Nothing of a refused archive is left, in the repository or beside it. */
async function expectRefused(file: string, reason: RegExp | string): Promise<void> {
  await expect(importFrom(file)).rejects.toMatchObject({
    code: 'BACKUP_DAMAGED',
    exitCode: 1,
    message: expect.stringMatching(reason),
  })
  const repository = await openRepository(path.join(test.folder.path, 'target'))
  expect(await listBackups(repository)).toEqual([])
  expect(readdirSync(path.join(repository.path, 'tmp'))).toEqual([])
  expect(readdirSync(repository.path).toSorted()).toEqual(['backups', 'repo.json', 'tmp'])
}

/** The entries of the archive: where each begins, and its name. */
function entries(): readonly { readonly at: number; readonly name: string }[] {
  const bytes = readFileSync(archive)
  const found = []
  for (let at = 0; at < bytes.length && bytes[at] !== 0;) {
    const header = new Header(bytes, at)
    found.push({ at, name: header.path ?? '' })
    at += 512 + Math.ceil((header.size ?? 0) / 512) * 512
  }
  return found
}

const endOfArchive = Buffer.alloc(1024)

/** An archive of the entries given, then of the set's own. */
function archiveWith(first: readonly Buffer[]): string {
  const folder = mkdtempSync(path.join(test.folder.path, 'hostile-'))
  const file = path.join(folder, 'set.tar')
  writeFileSync(file, Buffer.concat([...first, readFileSync(archive)]))
  return file
}

function entry(name: string, fields: Record<string, unknown> = {}, content = ''): Buffer {
  const bytes = Buffer.from(content)
  const header = new Header({
    path: name,
    mode: 0o644,
    size: bytes.length,
    type: 'File',
    mtime: new Date(0),
    ...fields,
  } as never)
  const block = Buffer.alloc(512)
  header.encode(block)
  const padding = Buffer.alloc((512 - (bytes.length % 512)) % 512)
  return Buffer.concat([block, bytes, padding])
}

describe('an archive', () => {
  it('brings its set to another repository, encrypted as it was', async () => {
    const imported = await importFrom(archive, 'other')
    expect(imported).toMatchObject({ id, warnings: [] })
    const repository = await openRepository(path.join(test.folder.path, 'other'))
    const set = await openSet(repository, { name: id, passphrase: 'secret' })
    expect(await verifyObjects(set, { level: 'full' })).toEqual([])
    await expect(importFrom(archive, 'other')).rejects.toMatchObject({ code: 'FILE_EXISTS' })
  })

  it('has its manifest last', () => {
    expect(entries().at(-1)?.name).toBe(`${id}/manifest.json`)
  })

  it('is refused when it was cut, also exactly between two entries', async () => {
    const content = readFileSync(archive)
    const file = path.join(test.folder.path, 'cut.tar')
    for (const { at } of entries().slice(1)) {
      for (const size of [at, at - 1]) {
        writeFileSync(file, content)
        truncateSync(file, size)
        await expectRefused(file, /./)
        writeFileSync(file, Buffer.concat([content.subarray(0, at), endOfArchive]))
        await expectRefused(file, /no manifest/)
      }
    }
  })

  it('is refused after a byte of a file was changed', async () => {
    const content = readFileSync(archive)
    const file = path.join(test.folder.path, 'changed.tar')
    for (const { at } of entries()) {
      const changed = Buffer.from(content)
      changed.writeUInt8((changed[at + 520] ?? 0) ^ 1, at + 520)
      writeFileSync(file, changed)
      await expectRefused(file, /damaged/)
    }
  })

  it.each([
    ['a way out of the folder', () => entry('../out', {}, 'x'), /holds "\.\.\/out"/],
    ['a way out from inside', () => entry(`${id}/pg/../../../out`, {}, 'x'), /holds/],
    ['an absolute path', () => entry('/tmp/kiln-hostile-out', {}, 'x'), /holds/],
    ['a symbolic link', () => link('SymbolicLink', '/etc/passwd'), /is no regular file/],
    ['a hard link', () => link('Link', '/etc/passwd'), /is no regular file/],
    ['a pipe', () => entry(`${id}/pg/pipe`, { type: 'FIFO' }), /is no regular file/],
    ['a device', () => entry(`${id}/pg/dev`, { type: 'CharacterDevice' }), /is no regular file/],
    [
      'a file of another set',
      () => entry('20260101T000000Z-manual-00000000/pg/x', {}, 'x'),
      /holds/,
    ],
    ['a file that no set has', () => entry(`${id}/evil.sh`, {}, 'x'), /holds/],
    [
      'a file that the manifest does not name',
      () => entry(`${id}/pg/x`, {}, 'x'),
      /does not name it/,
    ],
    ['a file twice', () => Buffer.concat([entry(`${id}/pg/x`), entry(`${id}/pg/x`)]), /twice/],
    ['an early manifest', () => entry(`${id}/manifest.json`, {}, '{}'), /comes after the manifest/],
  ])('is refused with %s in it', async (_, hostile, reason) => {
    await expectRefused(archiveWith([hostile()]), reason)
    expect(existsSync(path.join(test.folder.path, 'out'))).toBe(false)
    expect(existsSync('/tmp/kiln-hostile-out')).toBe(false)
  })

  it('is refused when it is compressed, or no archive at all', async () => {
    const file = path.join(test.folder.path, 'other.tar')
    writeFileSync(file, gzipSync(readFileSync(archive)))
    await expectRefused(file, /is not a plain tar file/)
    writeFileSync(file, 'nothing')
    await expectRefused(file, /is not a plain tar file/)
    writeFileSync(file, '')
    await expectRefused(file, /is not a plain tar file/)
  })

  it('made by GNU tar of a folder of a set is taken, if its manifest is last', async () => {
    const folder = path.join(test.folder.path, 'repo', 'backups')
    const file = path.join(test.folder.path, 'gnu.tar')
    const parts = ['config', 'pg', 'results', 'manifest.json'].map((name) => `${id}/${name}`)
    execFileSync('tar', ['-cf', file, '--format=ustar', '-C', folder, ...parts])
    expect((await importFrom(file, 'from-gnu')).id).toBe(id)
  })
})

function link(type: string, linkpath: string): Buffer {
  return entry(`${id}/pg/link`, { type, linkpath })
}

describe('an export', () => {
  it('refuses a damaged set, and leaves no file', async () => {
    const folder = path.join(test.folder.path, 'damaged')
    const repository = await ensureRepository(folder)
    const damaged = await buildSet(repository)
    truncateSync(path.join(folder, 'backups', damaged, 'pg', 'projects-0.copy.zst'), 1)
    const file = path.join(test.folder.path, 'damaged.tar')
    await expect(
      exportBackup(test.context, { repository: folder, set: damaged, file }),
    ).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' })
    expect(readdirSync(test.folder.path).filter((name) => name.startsWith('damaged.tar'))).toEqual(
      [],
    )
  })

  it('writes over nothing unless told, also not through a link', async () => {
    const repository = path.join(test.folder.path, 'repo')
    const kept = path.join(test.folder.path, 'kept')
    writeFileSync(kept, 'kept')
    const file = path.join(test.folder.path, 'link.tar')
    symlinkSync(kept, file)
    const run = (force: boolean) => exportBackup(test.context, { repository, set: id, file, force })
    await expect(run(false)).rejects.toMatchObject({ code: 'FILE_EXISTS' })
    await run(true)
    expect(readFileSync(kept, 'utf8')).toBe('kept')
  })
})
