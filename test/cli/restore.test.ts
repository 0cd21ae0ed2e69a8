import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { create } from 'tar'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'
import { projectFile, readDatabase, writeDatabase } from '../support/project-files.ts'
import { dataOnly, dump, hasPgDump } from '../support/restores.ts'

let kiln: JobCommands
let database: string
let dataDir: string
beforeAll(async () => {
  kiln = await openJobCommands()
  database = kiln.core.database.name
  dataDir = kiln.core.context.settings.dataDir
  await kiln.add()
})
afterAll(() => kiln.close())

const json = (text: string) => JSON.parse(text) as Record<string, unknown>
const failure = (stderr: string) => (json(stderr).error ?? {}) as Record<string, unknown>

describe('restore postgres', () => {
  it('of a set: confirmed by name, dry first, then whole, held, released, dropped', async () => {
    expect((await kiln.run(['backup', 'create', 'all', '--json'])).exitCode).toBe(0)
    await kiln.sql(`update analyses set title = 'changed'`)

    const unconfirmed = await kiln.run(['restore', 'postgres', 'latest', '--json'])
    expect(unconfirmed).toMatchObject({ exitCode: 64, stdout: '' })
    expect(failure(unconfirmed.stderr)).toMatchObject({
      code: 'CONFIRMATION_MISSING',
      exit_code: 64,
    })
    const other = await kiln.run(['restore', 'postgres', 'latest', '--confirm', 'other', '--json'])
    expect(failure(other.stderr)).toMatchObject({ code: 'USAGE', exit_code: 64 })
    expect(await kiln.sql('select title from analyses')).toEqual([{ title: 'changed' }])

    const dry = await kiln.run(['restore', 'postgres', 'latest', '--dry-run', '--json'])
    expect({ exitCode: dry.exitCode, plan: json(dry.stdout) }).toMatchObject({
      exitCode: 0,
      plan: {
        status: 'planned',
        database,
        method: 'exchange',
        tables: { analyses: 1, analysis_jobs: 1 },
      },
    })
    const drill = await kiln.run(['backup', 'verify', 'latest', '--level', 'drill', '--json'])
    expect(drill.exitCode).toBe(0)

    const restored = await kiln.run([
      'restore',
      'postgres',
      'latest',
      '--confirm',
      database,
      '--json',
    ])
    expect({
      exitCode: restored.exitCode,
      record: json(restored.stdout || restored.stderr),
    }).toMatchObject({
      exitCode: 0,
      record: {
        status: 'restored',
        held_jobs: 1,
        released_jobs: 0,
        missing_keys: [],
        migrations: [],
      },
    })
    expect(await kiln.sql('select title from analyses')).toEqual([{ title: 'test' }])

    const released = await kiln.run(['restore', 'postgres', '--release', '--json'])
    expect(json(released.stdout)).toEqual({ status: 'released', released_jobs: 1 })
    const asked = await kiln.run(['restore', 'drop-old'])
    expect(asked.exitCode).toBe(64)
    const dropped = await kiln.run(['restore', 'drop-old', '--yes', '--json'])
    expect(json(dropped.stdout).items).toMatchObject([
      { schema: expect.stringMatching(/^kiln_old_/) as string, status: 'dropped' },
    ])
    expect(json((await kiln.run(['restore', 'drop-old', '--json'])).stdout)).toEqual({
      items: [],
      next_cursor: null,
    })
  })

  it.runIf(hasPgDump)('of a dump, and back', async () => {
    const file = dump(kiln.core, dataOnly)
    const restored = await kiln.run([
      'restore',
      'postgres',
      '--from-dump',
      file,
      '--confirm',
      database,
    ])
    expect(restored.stderr).toBe('')
    expect(restored.stdout).toMatch(/rows +\d+ in \d+ tables/)
    expect(restored.stdout).toMatch(/left out +\d+ statements, 2 psql commands/)
    const back = await kiln.run([
      'restore',
      'postgres',
      '--rollback',
      '--confirm',
      database,
      '--json',
    ])
    expect(json(back.stdout)).toMatchObject({ status: 'rolled_back', outcome: 'undone' })
  })

  it('refuses while an executor runs, and what is not there', async () => {
    await kiln.addRunning()
    const args = ['restore', 'postgres', 'latest', '--confirm', database, '--json']
    const busy = await kiln.run(args)
    expect(failure(busy.stderr)).toMatchObject({
      code: 'EXECUTORS_RUNNING',
      exit_code: 75,
      retryable: true,
    })
    await kiln.sql('delete from analysis_jobs')
    await kiln.sql('delete from analysis_executors')
    const cases: readonly (readonly [readonly string[], number])[] = [
      [['postgres', '--from-dump', 'nowhere.sql', '--confirm', database], 66],
      [['postgres', '20200101T000000Z-manual-00000000', '--confirm', database], 66],
      [['postgres', 'latest', '--repo', 'nowhere', '--confirm', database], 66],
      [['postgres'], 64],
      [['postgres', 'latest', '--from-dump', 'x.sql'], 64],
      [['postgres', 'latest', '--profile', 'full'], 64],
      [['postgres', '--profile', 'full', '--into', 'new', '--rollback'], 64],
      [['postgres', 'latest', '--profile', 'full', '--into', 'new', '--confirm', 'new'], 66],
      [['duckdb'], 64],
      [['duckdb', '--from-tar', 'nowhere.tar', '--confirm', 'data'], 66],
      [['duckdb', '--rollback', '--confirm', 'data'], 66],
      [['drop-old', 'nothing'], 66],
    ]
    for (const [words, exitCode] of cases) {
      expect([words, (await kiln.run(['restore', ...words])).exitCode]).toEqual([words, exitCode])
    }
  })
})

describe('restore duckdb', () => {
  it('of a tar: confirmed by the folder, dry first, then all of it', async () => {
    const made = path.join(kiln.core.folder.path, 'made')
    await writeDatabase(
      path.join(made, 'databases', 'shop', 'shop.duckdb'),
      'create table t as select 42 as x',
    )
    writeFileSync(path.join(made, 'databases', 'note.txt'), 'no database')
    const file = path.join(kiln.core.folder.path, 'databases.tar.gz')
    await create({ gzip: true, file, cwd: made }, ['databases'])
    const args = ['restore', 'duckdb', '--from-tar', file]
    const unconfirmed = await kiln.run([...args, '--json'])
    expect(failure(unconfirmed.stderr)).toMatchObject({ code: 'CONFIRMATION_MISSING' })
    const dry = await kiln.run([...args, '--dry-run', '--json'])
    expect(json(dry.stdout)).toMatchObject({
      items: [{ project_id: 'shop', status: 'planned' }],
      skipped_entries: 1,
    })
    const restored = await kiln.run([...args, '--confirm', path.basename(dataDir), '--json'])
    expect(json(restored.stdout || restored.stderr)).toMatchObject({
      items: [{ project_id: 'shop', tables: 1, rows: 1, status: 'restored' }],
    })
    expect(await readDatabase(projectFile(dataDir, 'shop'), 'from t')).toEqual([[42]])
    const back = await kiln.run(['restore', 'duckdb', '--rollback', '--confirm', dataDir, '--json'])
    expect(json(back.stdout)).toMatchObject({ status: 'rolled_back', projects: ['shop'] })
  })
})
