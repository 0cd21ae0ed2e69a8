/**
 * The whole test suite: build, then checks beside every kind of test. Checks count as tests; the last
 * line says how many passed and failed.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { RunCounts } from '../test/support/counts-reporter.ts'

const root = path.resolve(import.meta.dirname, '..')
const folder = mkdtempSync(path.join(tmpdir(), 'kiln-test-report-'))
let passed = 0
let failed = 0

/** Prints what came of a check, and counts it. */
type Report = () => boolean

/** Output comes at the end and whole, since several run at a time. */
async function check(name: string, command: string, args: readonly string[]): Promise<Report> {
  const startedAt = performance.now()
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  const output: Buffer[] = []
  child.stdout.on('data', (part: Buffer) => output.push(part))
  child.stderr.on('data', (part: Buffer) => output.push(part))
  const status = await new Promise<number | null>((resolve) => {
    child.on('error', (error) => {
      output.push(Buffer.from(`${error.message}\n`))
      resolve(null)
    })
    child.on('close', resolve)
  })
  const took = ((performance.now() - startedAt) / 1000).toFixed(1)
  return () => {
    process.stdout.write(Buffer.concat(output))
    console.log(`${status === 0 ? 'ok' : 'FAILED'}  ${name} (${took} s)`)
    if (status === 0) passed += 1
    else failed += 1
    return status === 0
  }
}

/** In what the tests leave of the machine, since they wait for other processes much of the time. */
const checkBeside = (name: string, command: string, args: readonly string[]): Promise<Report> =>
  check(name, 'nice', [command, ...args])

/** Runs Vitest; undefined when it did not come to its end. */
async function vitest(name: string, args: readonly string[]): Promise<RunCounts | undefined> {
  const file = path.join(folder, `${name}.json`)
  const reporters = ['--reporter=default', '--reporter=test/support/counts-reporter.ts']
  const child = spawn('vitest', ['run', ...reporters, ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, KILN_TEST_COUNTS: file },
  })
  const status = await new Promise<number | null>((resolve) => {
    child.on('error', (error) => {
      console.error(error.message)
      resolve(null)
    })
    child.on('close', resolve)
  })
  try {
    const counts = JSON.parse(readFileSync(file, 'utf8')) as RunCounts
    const isExplained = counts.unhandledErrors > 0 || counts.files.some(({ failed }) => failed > 0)
    return status === 0 || isExplained ? counts : undefined
  } catch {
    return undefined
  }
}

/** So many are no accident. */
const maxRepeated = 5

/**
 * Every kind of test; counts them. A few files that failed run once more when nothing else does: a test
 * that passes then is told, since it is a defect, of the test if not of Kiln. What crashed, or threw
 * where no test saw it, has failed.
 */
async function runTests(): Promise<void> {
  const first = await vitest('first', [])
  await checks
  const again = first?.files.filter((counts) => counts.failed > 0) ?? []
  const mayRepeat =
    first?.unhandledErrors === 0 &&
    again.length > 0 &&
    again.length <= maxRepeated &&
    again.every(({ isFinished }) => isFinished)
  const second = mayRepeat
    ? await vitest('second', [
        '--maxWorkers=1',
        ...again.map(({ file }) => path.relative(root, file)),
      ])
    : undefined
  for (const counts of first?.files ?? []) {
    const repeated = second?.files.find(({ file }) => file === counts.file)
    const isFlaky = second?.unhandledErrors === 0 && repeated?.failed === 0 && repeated.passed > 0
    const last = isFlaky ? repeated : counts
    passed += last.passed
    failed += last.failed
    if (!last.isFinished && last.failed === 0) failed += 1
    if (isFlaky) {
      console.log(`flaky: ${path.relative(root, counts.file)} failed, and passed when it ran alone`)
    }
  }
  failed += first?.unhandledErrors ?? 0
  if (!first?.files.some((counts) => counts.passed > 0)) failed += 1
}

const node = process.execPath
const isBuilt = (await check('build', node, ['scripts/build.ts']))()
const checks = Promise.all([
  checkBeside('format', 'oxfmt', ['--check']),
  checkBeside('lint', 'oxlint', []),
  checkBeside('types', 'tsc', []),
  checkBeside('dead code', 'knip', []),
])
if (isBuilt) await runTests()
for (const print of await checks) print()
rmSync(folder, { recursive: true, force: true })
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
