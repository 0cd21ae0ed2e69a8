/**
 * The contract of output, for every command there is: run where no database answers, with a secret in
 * all settings that take one. New commands come under it by themselves; one that needs arguments gets
 * no further than its parser without a row in `test/support/command-lines.ts`.
 */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commandNames, lines, wordsOf, writeFilesOfLines } from '../support/command-lines.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

const canary = 'canary-6b1d90e2c4f7a835'
const binary = path.resolve(import.meta.dirname, '../../bin/kiln')

let folder: TemporaryFolder
beforeAll(async () => {
  folder = await createTemporaryFolder('contract')
  await writeFilesOfLines(folder.path)
})
afterAll(() => folder.remove())

interface Result {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `kiln "$@"` as the shell script says. */
function shell(script: string, words: readonly string[]): Promise<Result> {
  const child = spawn('bash', ['-c', `kiln() { ${binary} "$@"; }\n${script}`, 'bash', ...words], {
    cwd: folder.path,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: folder.path,
      LANG: 'C.UTF-8',
      // Nothing here is a terminal, and that counts for more than what this says of one.
      TERM: 'xterm-256color',
      ANALYSIS_DATA_DIR: path.join(folder.path, 'data'),
      DATABASE_URL: `postgresql://kiln:${canary}@127.0.0.1:1/kiln`,
      DATABASE_READONLY_URL: `postgresql://reader:${canary}@127.0.0.1:1/kiln`,
      ANALYSIS_API_TOKEN: canary,
      BACKUP_PASSPHRASE: canary,
    },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (exitCode) => resolve({ exitCode, stdout, stderr }))
  })
}

/** In a `while read` loop: the loop must find its next line where it was. */
const inLoop = `printf 'first\\nnext\\n' | {
  read -r line
  NO_COLOR=1 kiln "$@"
  code=$?
  read -r line || line='eaten'
  [ "$line" = next ] || { echo "the loop's input was $line" >&2; exit 99; }
  exit "$code"
}`

/** Of standard output with `--json`: nothing, or one JSON value a line. */
function parseLines(stdout: string): unknown[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown)
}

/** What comes after -- is for another program. */
const withJson = (words: readonly string[]): string[] => {
  const index = words.includes('--') ? words.indexOf('--') : words.length
  return words.toSpliced(index, 0, '--json')
}

interface ErrorReport {
  readonly error: { readonly code: string; readonly exit_code: number }
}

/** The error is the last line: remarks and log lines may come before it. */
function errorOf({ stderr }: Result): ErrorReport | undefined {
  const last = stderr.trim().split('\n').at(-1) ?? ''
  return last.startsWith('{"error"') ? (JSON.parse(last) as ErrorReport) : undefined
}

/** It takes seconds, and needs no database: sandbox-check.test.ts has it. */
const names = commandNames.filter((name) => name !== 'sandbox check')

describe.each(names.map((name) => [name]))('kiln %s', (name) => {
  it('ends alike with and without --json, on stdout is data only, and no secret anywhere', async () => {
    const words = wordsOf(name)
    // One after the other: at the same time one may find a lock or a new file of the other.
    const json = await shell('kiln "$@" <&-', withJson(words))
    const text = await shell(inLoop, words)
    // What a first run makes is there for the second: a new file, for one.
    if (!name.endsWith(' init') && name !== 'migrate create') {
      expect(text.exitCode, text.stderr).toBe(json.exitCode)
    }
    if (name in lines) expect(json.exitCode, json.stderr).not.toBe(64)
    expect(json.exitCode, json.stderr).not.toBe(70)
    // 128 and more: a signal ended it.
    expect(json.exitCode, json.stderr).toBeLessThan(128)
    parseLines(json.stdout)
    const report = errorOf(json)
    if (report) {
      expect(report.error.exit_code).toBe(json.exitCode)
      expect(text.stderr).toContain(`[${report.error.code}]`)
    } else if (name !== 'db psql') {
      // Without an error there is an answer, whatever it is; psql gives its own.
      expect(json.stdout).not.toBe('')
    }
    for (const output of [json.stdout, json.stderr, text.stdout, text.stderr]) {
      expect(output).not.toContain(canary)
      expect(output).not.toContain('\u001b[')
    }
  })
})
