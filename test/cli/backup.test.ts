import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
import { type KilnResult, runKiln } from '../support/kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

let database: TestDatabase
let folder: TemporaryFolder
beforeAll(async () => {
  database = await createTestDatabase()
  folder = await createTemporaryFolder('backup')
  writeFileSync(path.join(folder.path, 'pass'), 'correct horse\n')
  writeFileSync(path.join(folder.path, 'wrong'), 'wrong horse\n')
})
afterAll(async () => {
  await database.drop()
  await folder.remove()
})

const kiln = (args: string, env: Record<string, string> = {}): Promise<KilnResult> =>
  runKiln(['backup', ...args.split(' ')], {
    cwd: folder.path,
    env: {
      DATABASE_URL: database.connectionString,
      ANALYSIS_DATA_DIR: path.join(folder.path, 'data'),
      ...env,
    },
  })

async function json(args: string): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr } = await kiln(`${args} --json`)
  expect([exitCode, stderr.replaceAll(/^note: .*\n/gm, '')]).toEqual([0, ''])
  return JSON.parse(stdout) as Record<string, unknown>
}

describe('kiln backup', () => {
  it('makes a set, and lists, shows and verifies it', async () => {
    const created = await json('create --kind pre-deploy --label v2')
    expect(created).toMatchObject({
      status: 'complete',
      kind: 'pre-deploy',
      label: 'v2',
      profile: 'analysis',
      parts: ['postgres', 'duckdb', 'config'],
      is_encrypted: false,
      problems: [],
    })
    for (const name of ['size_bytes', 'plain_bytes', 'rows', 'objects', 'duration_ms']) {
      expect(created[name]).toEqual(expect.any(Number))
    }
    expect(String(created.id)).toMatch(/^\d{8}T\d{6}Z-pre-deploy-[0-9a-f]{8}$/)
    expect(existsSync(path.join(String(created.path), 'manifest.json'))).toBe(true)

    const verified = await json('verify')
    expect(verified.items).toMatchObject([
      { id: created.id, level: 'full', ok: true, findings: [] },
    ])
    const listed = await json('list')
    expect(listed).toMatchObject({
      newest_verified: created.id,
      items: [{ id: created.id, status: 'complete', verified_level: 'full', verified_ok: true }],
      next_cursor: null,
    })
    const shown = await json('show latest')
    expect(shown).toMatchObject({ id: created.id, postgres: { row_format: 'text', dump: null } })
    expect((await kiln(`show ${String(created.id).slice(0, 15)} -o name`)).stdout.trim()).toBe(
      created.id,
    )
  })

  it('keeps settings without their secrets, also while the database is away', async () => {
    const away = 'postgresql://someone:canary-secret@127.0.0.1:1/none'
    const { exitCode, stdout, stderr } = await kiln('create config --json', { DATABASE_URL: away })
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining('analysis_backups')])
    const { path: set } = JSON.parse(stdout) as { path: string }
    const text = zstdDecompressSync(
      readFileSync(path.join(set, 'config', 'settings.json.zst')),
    ).toString()
    expect(JSON.parse(text)).toMatchObject({
      DATABASE_URL: { is_secret: true, is_set: true },
      MAX_CONCURRENT_JOBS: { value: expect.any(Number) },
    })
    expect(text).not.toContain('canary-secret')
  })

  it('encrypts, and opens only with the passphrase', async () => {
    const { id } = await json('create config --encrypt --passphrase-file pass')
    expect(await json(`verify ${String(id)} --passphrase-file pass`)).toMatchObject({
      items: [{ ok: true }],
    })
    const wrong = await kiln(`verify ${String(id)} --passphrase-file wrong`)
    expect([wrong.exitCode, wrong.stderr]).toEqual([
      77,
      expect.stringContaining(`the passphrase is not that of ${String(id)}`),
    ])
    // It keeps the other sets from nothing.
    const { id: other } = await json('create config')
    const all = await kiln('verify --all --passphrase-file wrong --json')
    expect(all.exitCode).toBe(77)
    const { items } = JSON.parse(all.stdout) as { items: { id: string; ok: boolean }[] }
    expect(items).toContainEqual(expect.objectContaining({ id: other, ok: true }))
    expect(items.map((item) => item.id)).not.toContain(id)
    const none = await kiln('create config --encrypt')
    expect([none.exitCode, none.stderr]).toEqual([
      78,
      expect.stringContaining('BACKUP_PASSPHRASE_MISSING'),
    ])
  })

  it('ends with 1 and names the file when a set is damaged', async () => {
    const { id, path: set } = await json('create config')
    truncateSync(path.join(String(set), 'config', 'settings.json.zst'), 3)
    const { exitCode, stdout, stderr } = await kiln(`verify ${String(id)} --json`)
    expect(exitCode).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      items: [{ ok: false, findings: [{ object: 'config/settings.json.zst' }] }],
    })
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'BACKUP_DAMAGED', exit_code: 1 } })
    const { items } = (await json('list')) as { items: { id: string; verified_ok: boolean }[] }
    expect(items.find((item) => item.id === id)).toMatchObject({ verified_ok: false })
  })

  it('carries a set in a tar file to another repository', async () => {
    const { id } = await json('create postgres')
    const exported = await json(`export ${String(id)} set.tar`)
    expect(exported).toMatchObject({ id, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect((await kiln(`export ${String(id)} set.tar`)).exitCode).toBe(73)
    expect(await json('import set.tar --repo other')).toMatchObject({ id, status: 'complete' })
    expect((await kiln('import set.tar --repo other')).exitCode).toBe(73)
    expect(await json(`verify ${String(id)} --repo other`)).toMatchObject({ items: [{ ok: true }] })
  })

  it('removes what no rule keeps, and tells first what that would be', async () => {
    const repo = '--repo pruned'
    const ids: string[] = []
    for (let set = 0; set < 3; set += 1) ids.push(String((await json(`create config ${repo}`)).id))
    const planned = await json(`prune ${repo} --keep-last 1 --dry-run`)
    expect(planned).toMatchObject({ dry_run: true, removed: 2 })
    expect(readdirSync(path.join(folder.path, 'pruned', 'backups'))).toHaveLength(3)
    const pruned = (await json(`prune ${repo} --keep-last 1`)) as {
      items: { id: string; kept: boolean; reasons: string[] }[]
    }
    expect(pruned.items.filter(({ kept }) => kept)).toEqual([
      expect.objectContaining({ reasons: ['last 1 of 1', 'the newest good one'] }),
    ])
    // A prune that was killed after it took a manifest away: what is left is no set, and no finding.
    mkdirSync(path.join(folder.path, 'pruned/backups/20260101T000000Z-manual-00000000/pg'), {
      recursive: true,
    })
    expect(await json('verify --all --repo pruned')).toMatchObject({ items: [{ ok: true }] })
    await json('prune --repo pruned --keep-last 1')
    const left = readdirSync(path.join(folder.path, 'pruned', 'backups'))
    expect(left).toEqual(pruned.items.filter(({ kept }) => kept).map(({ id }) => id))
    expect(ids).toContain(left[0])
  })

  it('backs up the whole database by pg_dump, or says which package is missing', async () => {
    const withTool = await kiln('create postgres --profile full --json')
    if (withTool.exitCode === 0) {
      const { postgres } = JSON.parse(withTool.stdout) as { postgres: { dump: string } }
      expect(postgres.dump).toMatch(/^pg_dump \d+/)
      expect(await json('verify')).toMatchObject({ items: [{ ok: true }] })
    } else {
      expect(withTool.stderr).toContain('postgresql-client-')
    }
    expect((await kiln('create duckdb --profile full')).exitCode).toBe(64)
  })

  it('says what is wrong with a repository', async () => {
    expect((await kiln('list --repo nowhere')).exitCode).toBe(66)
    expect((await kiln('show none')).exitCode).toBe(66)
    mkdirSync(path.join(folder.path, 'full'))
    writeFileSync(path.join(folder.path, 'full', 'something'), '')
    const taken = await kiln('create config --repo full')
    expect([taken.exitCode, taken.stderr]).toEqual([
      73,
      expect.stringContaining('is no repository and holds something'),
    ])
  })
})

it('shows no secret and no file to others', async () => {
  const { path: set } = await json('create postgres')
  expect(statSync(String(set)).mode & 0o077).toBe(0)
  expect(statSync(path.join(String(set), 'manifest.json')).mode & 0o077).toBe(0)
})
