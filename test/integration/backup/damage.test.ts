/** Whatever is done to the files of a set, verifying it tells. */
import {
  appendFileSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyBackup } from '../../../src/core/backup/index.ts'
import { addStoredResult, backUp, repositoryPath } from '../../support/backup.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob } from '../../support/queue.ts'

let test: TestContext
let id: string
let files: string[]
beforeAll(async () => {
  test = await openTestContext()
  const analysisId = await insertAnalysis(test.context.database.pool)
  for (let job = 0; job < 20; job += 1) await insertJob(test.context.database.pool, analysisId)
  await addStoredResult(test, analysisId)
  const created = await backUp(test, { parts: ['postgres', 'config'], passphrase: 'secret' })
  id = created.id
  const entries = readdirSync(created.path, { withFileTypes: true, recursive: true })
  files = entries.filter((e) => e.isFile()).map((e) => path.join(e.parentPath, e.name))
})
afterAll(() => test.close())

const verify = (level: 'quick' | 'full' = 'full') =>
  verifyBackup(test.context, { repository: repositoryPath(test), set: id, level })

/** Runs `work` on a file of the set, and puts back what it was. */
async function whileChanged(file: string, change: () => void, work: () => Promise<void>) {
  const content = readFileSync(file)
  change()
  try {
    await work()
  } finally {
    writeFileSync(file, content)
  }
}

/** The finding names the file. */
async function expectFinding(file: string, level: 'quick' | 'full'): Promise<void> {
  const { isSound, findings } = await verify(level)
  expect(isSound).toBe(false)
  expect(file.endsWith(findings[0]?.object ?? 'none')).toBe(true)
}

it('finds nothing in a set that nobody touched', async () => {
  expect(await verify()).toMatchObject({ id, isSound: true, findings: [] })
})

it('finds one bit that was turned, wherever it is', async () => {
  const places = fc.record({
    file: fc.nat().map((n) => files[n % files.length] ?? ''),
    at: fc.nat(),
    bit: fc.integer({ min: 0, max: 7 }),
  })
  await fc.assert(
    fc.asyncProperty(places, async ({ file, at, bit }) => {
      const flip = () => {
        const content = readFileSync(file)
        const index = at % content.length
        content.writeUInt8((content[index] ?? 0) ^ (1 << bit), index)
        writeFileSync(file, content)
      }
      await whileChanged(file, flip, async () => {
        // A turned bit in the number of the format makes it one of a newer program.
        const result = await verify().catch((error: unknown) => error)
        if (result instanceof Error) {
          expect(result).toMatchObject({ code: 'BACKUP_FORMAT_NEWER' })
        } else expect(result).toMatchObject({ isSound: false })
      })
    }),
    { numRuns: 60 },
  )
})

describe.each(['quick', 'full'] as const)('at level %s', (level) => {
  it('finds every file that was cut, emptied, lengthened by a frame, or taken away', async () => {
    for (const file of files) {
      const { size } = statSync(file)
      const frame = zstdCompressSync('more rows')
      for (const change of [
        () => truncateSync(file, size - 1),
        () => truncateSync(file, 0),
        () => appendFileSync(file, frame),
      ]) {
        await whileChanged(file, change, () => expectFinding(file, level))
      }
      if (file.endsWith('manifest.json')) continue
      await whileChanged(
        file,
        () => rmSync(file),
        () => expectFinding(file, level),
      )
    }
    expect((await verify(level)).isSound).toBe(true)
  })
})

it('keeps what it found with the set, until the set is verified again', async () => {
  const { pool } = test.context.database
  const verified = async () => {
    const { rows } = await pool.query(
      'select verified_level, verified_ok from analysis_backups where id = $1',
      [id],
    )
    return rows
  }
  const [file = ''] = files.filter((name) => name.includes('/pg/'))
  await whileChanged(
    file,
    () => truncateSync(file, 1),
    async () => void (await verify()),
  )
  expect(await verified()).toEqual([{ verified_level: 'full', verified_ok: false }])
  await verify('quick')
  expect(await verified()).toEqual([{ verified_level: 'quick', verified_ok: true }])
})
