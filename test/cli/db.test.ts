import { spawnSync } from 'node:child_process'
import { mkdir, symlink } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isProcessRunning } from '../../src/core/os/index.ts'
import { type KilnResult, runKiln, startKiln } from '../support/kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

const hasPsql = spawnSync('psql', ['--version']).status === 0

let folder: TemporaryFolder
beforeAll(async () => {
  folder = await createTemporaryFolder()
})
afterAll(() => folder.remove())

const db = (
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<KilnResult> =>
  runKiln(['db', ...args], { env: { ANALYSIS_DATA_DIR: folder.path, ...env } })

describe('kiln db', () => {
  it('says with exit code 1 that the server does not run', async () => {
    const result = await db(['status', '--json'])
    expect(result).toMatchObject({ exitCode: 1, stderr: '' })
    expect(JSON.parse(result.stdout)).toMatchObject({ state: 'absent', pid: null, url: null })
  })

  it('starts a server that outlives the command and holds none of its pipes', async () => {
    // The harness waits until every holder of the pipes has gone.
    const first = await db(['start'])
    expect(first.exitCode).toBe(0)
    expect(first.stdout).toMatch(/^postgresql:\/\/kiln@\/kiln\?host=.+&port=5432\n$/)
    const again = await db(['start', '-q', '-o', 'table'])
    expect(again).toMatchObject({ exitCode: 0, stdout: first.stdout, stderr: '' })
    const status = await db(['status', '--json'])
    expect(status.exitCode).toBe(0)
    const { state, pid, version, size_bytes: size } = JSON.parse(status.stdout)
    expect({ state, version }).toEqual({ state: 'running', version: '15' })
    expect(size).toBeGreaterThan(0)
    expect(isProcessRunning(pid)).toBe(true)
  })

  it('shows the status for people', async () => {
    const { stdout } = await db(['status'])
    expect(stdout).toMatch(/^state {2,}running$/m)
    expect(stdout).toMatch(/^size {2,}\d.* MB$/m)
  })

  it('prints one URL, the same that commands without DATABASE_URL use', async () => {
    const url = (await db(['url'])).stdout.trim()
    const result = await db(['url', '--json'], { DATABASE_URL: url })
    expect(JSON.parse(result.stdout).is_private).toBe(false)
    const started = await db(['start', '-q', '-o', 'table'])
    expect(started.stdout.trim()).toBe(url)
  })

  it('leaves a password out of the URL it prints', async () => {
    const result = await db(['url'], {
      DATABASE_URL: 'postgresql+asyncpg://me:s3cret@db.example:5433/app?sslmode=require',
    })
    expect(result.stdout).toBe('postgresql://me@db.example:5433/app?sslmode=require\n')
    expect(result.stderr).toContain('the password is left out')
    expect(result.stdout + result.stderr).not.toContain('s3cret')
  })

  it('says that other commands use the server of DATABASE_URL', async () => {
    const result = await db(['status'], { DATABASE_URL: 'postgresql://elsewhere/app' })
    expect(result.stderr).toContain('DATABASE_URL is set')
    expect(result.stdout).toContain('running')
  })

  it.skipIf(!hasPsql)("passes arguments to psql and ends with psql's exit code", async () => {
    const good = await db(['psql', '--', '-Atc', "select 'it' || $$ works$$"])
    expect(good).toMatchObject({ exitCode: 0, stdout: 'it works\n' })
    const bad = await db(['psql', '--', '-v', 'ON_ERROR_STOP=1', '-f', '/no/such/file'])
    expect(bad.exitCode).toBe(1)
  })

  it.skipIf(!hasPsql)('gives psql the password by its environment', async () => {
    const url = (await db(['url'])).stdout.trim().replace('kiln@', 'kiln:s3cret@')
    const result = await db(
      ['psql', '--', '-At', '-c', '\\getenv p PGPASSWORD', '-c', '\\echo :p'],
      {
        DATABASE_URL: url,
      },
    )
    expect(result).toMatchObject({ exitCode: 0, stdout: 's3cret\n' })
  })

  it.skipIf(!hasPsql)('ends psql when it is ended itself', async () => {
    const statements = ['-c', "select 'begun'", '-c', 'select pg_sleep(1000)']
    const kiln = startKiln(['db', 'psql', '--', '-At', ...statements], {
      env: { ANALYSIS_DATA_DIR: folder.path },
    })
    await kiln.waitForOutput(/begun/)
    kiln.kill('SIGTERM')
    expect(await kiln.exited).toMatchObject({ exitCode: 143 })
  })

  it('refuses arguments that psql would never see', async () => {
    const result = await db(['psql', 'select 1'])
    expect(result).toMatchObject({ exitCode: 64, stdout: '' })
    expect(result.stderr).toContain('after --')
  })

  it('names the package when psql is not installed', async () => {
    // The launcher itself needs these.
    const programs = path.join(folder.path, 'programs')
    await mkdir(programs)
    for (const name of ['dirname', 'readlink']) {
      await symlink(`/usr/bin/${name}`, path.join(programs, name))
    }
    const result = await db(['psql'], { PATH: programs })
    expect(result.exitCode).toBe(78)
    expect(result.stderr).toContain('postgresql-client')
  })

  it('stops the server, and stopping it again is no error', async () => {
    const { pid } = JSON.parse((await db(['status', '--json'])).stdout)
    const first = await db(['stop', '--json'])
    expect(JSON.parse(first.stdout)).toEqual({ state: 'stopped', was_running: true })
    expect(isProcessRunning(pid)).toBe(false)
    const second = await db(['stop', '-q'])
    expect(second).toMatchObject({ exitCode: 0, stdout: '', stderr: '' })
    expect(await db(['status', '-q'])).toMatchObject({ exitCode: 1, stdout: '', stderr: '' })
  })
})
