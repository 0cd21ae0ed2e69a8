/** Lines of cron, units of systemd and steps of pipelines in docs/: each is run as its runner would. */
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseRule } from '../../src/core/cron/index.ts'
import { type JobCommands, openJobCommands } from '../support/job-commands.ts'

const root = path.resolve(import.meta.dirname, '../..')
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0

/** Blocks of a language in all pages. */
const blocks = (language: string): string[] =>
  globSync('docs/*.md', { cwd: root })
    .sort()
    .map((page) => readFileSync(path.join(root, page), 'utf8'))
    .flatMap((text) => [...text.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\n\`\`\``, 'g'))])
    .map(([, text]) => text ?? '')

let jobs: JobCommands
let folder: string
beforeAll(async () => {
  jobs = await openJobCommands()
  folder = jobs.core.folder.path
  await writeFile(path.join(folder, 'database-url'), jobs.core.database.connectionString)
  await writeFile(
    path.join(folder, 'kiln.env'),
    `DATABASE_URL_FILE=${path.join(folder, 'database-url')}\nANALYSIS_DATA_DIR=${jobs.core.context.settings.dataDir}\n`,
  )
  // `logger` wants a daemon; what it is told is all that counts here.
  await mkdir(path.join(folder, 'bin'))
  await writeFile(path.join(folder, 'bin/logger'), '#!/bin/sh\nexit 0\n')
  await chmod(path.join(folder, 'bin/logger'), 0o755)
  for (const name of ['weekly-report', 'nightly']) {
    await jobs.sql(
      `insert into analyses (title, name, script_content) values ($1, $1, 'export default () => 1')`,
      [name],
    )
  }
})
afterAll(() => jobs.close())

/** Paths of a page as they are on this machine. */
const here = (text: string): string =>
  text
    .replaceAll(/\/(opt\/kiln|usr\/local)\/bin\/kiln/g, path.join(root, 'bin/kiln'))
    .replaceAll(/\/etc\/kiln|%d/g, folder)
    .replaceAll('/var/lib/kiln', jobs.core.context.settings.dataDir)

function run(command: string, env: Readonly<Record<string, string>>, cwd = folder) {
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', command], {
    cwd,
    encoding: 'utf8',
    input: '',
    env,
  })
  return { command, status, stdout, stderr }
}

/** As cron sets it. */
const bare = () => ({
  PATH: `${path.join(folder, 'bin')}:/usr/bin:/bin`,
  SHELL: '/bin/sh',
  HOME: folder,
  LOGNAME: 'kiln',
})

describe('cron', () => {
  it('each line has a rule, and its command is silent in an empty environment', () => {
    const lines = blocks('crontab').flatMap((text) => here(text).split('\n'))
    const settings = Object.fromEntries(
      lines
        .map((line) => /^([A-Z_]+)=(.*)$/.exec(line))
        .map((match) => match?.slice(1) ?? ['', '']),
    ) as Record<string, string>
    const commands = lines.map((line) => /^((?:\S+\s+){5})kiln\s+(.*)$/.exec(line))
    expect(commands.filter(Boolean).length).toBeGreaterThan(6)
    for (const match of commands) {
      if (!match) continue
      const [, rule = '', command = ''] = match
      expect(() => parseRule(rule.trim())).not.toThrow()
      const result = run(command, { ...bare(), ...settings })
      if (/ doctor /.test(command)) {
        // It prints when it has something to say, as on a machine with a full disk.
        expect([0, 1, 2], result.stderr).toContain(result.status)
      } else {
        expect(result).toEqual({ command, status: 0, stdout: '', stderr: '' })
      }
    }
  })
})

describe('systemd', () => {
  const units = () => blocks('ini').map(here)

  it('commands of its units do what they are for', () => {
    const services = units().filter((text) => text.includes('ExecStart='))
    expect(services).toHaveLength(2)
    for (const service of services) {
      const values = (key: string) =>
        [...service.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value ?? '')
      const files = values('EnvironmentFile').map((file) => readFileSync(file, 'utf8'))
      const pairs = [...files.join('\n').split('\n'), ...values('Environment').join(' ').split(' ')]
      const env = Object.fromEntries(
        pairs.map((pair) => [pair.split('=')[0], pair.slice(pair.indexOf('=') + 1)]),
      )
      for (const command of values('ExecStart')) {
        const result = run(command, { ...bare(), ...env })
        expect(result).toMatchObject({ command, status: 0 })
      }
    }
  })

  it.runIf(hasSystemd)('has nothing to say about them', async () => {
    const place = path.join(folder, 'units')
    await mkdir(place)
    for (const [index, text] of units().entries()) {
      const kind = text.includes('[Timer]') ? 'timer' : 'service'
      const name = /Description=(\w+) (\w+)/.exec(text)?.slice(1).join('-').toLowerCase()
      await writeFile(path.join(place, `${name ?? index}.${kind}`), `${text}\n`)
    }
    const files = globSync('*', { cwd: place }).map((file) => path.join(place, file))
    expect(files).toHaveLength(4)
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', ...files], {
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })
})

describe('pipelines', () => {
  it('their steps pass over analyses that are in order', async () => {
    const place = path.join(folder, 'project')
    await mkdir(path.join(place, 'analyses'), { recursive: true })
    await symlink(root, path.join(place, 'kiln'))
    await writeFile(path.join(place, 'analyses/one.js'), 'export default () => 1\n')
    await writeFile(path.join(place, 'analyses/one.test.json'), '{"expected": 1}')
    const commands = blocks('yaml').flatMap((text) => [
      ...[...text.matchAll(/^ +- (?:run: )?((?:npm|kiln\/).*)$/gm)].map(([, line]) => line ?? ''),
      ...[...text.matchAll(/run: \|\n((?: +.*\n?)+)/g)].map(([, lines]) => lines ?? ''),
    ])
    const steps = commands.filter((command) => !command.startsWith('npm ci'))
    expect([commands.length, steps.length]).toEqual([7, 5])
    for (const step of steps) {
      const result = run(
        step,
        { ...bare(), DATABASE_URL: jobs.core.database.connectionString },
        place,
      )
      expect(result, result.stderr).toMatchObject({ status: 0 })
    }
  })
})
