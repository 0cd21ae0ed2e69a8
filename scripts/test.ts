/**
 * The whole test suite: build, then checks beside every kind of test. Checks count as tests; the last
 * line says how many passed and failed.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

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

interface Counts {
  readonly passed: number
  readonly failed: number
}

interface TestRun {
  /** By file. */
  readonly files: ReadonlyMap<string, Counts>
  /** Nothing went wrong outside of the tests. */
  readonly isWhole: boolean
}

const failedFiles = ({ files }: TestRun): string[] =>
  [...files].flatMap(([file, counts]) => (counts.failed > 0 ? [file] : []))

async function vitest(name: string, args: readonly string[]): Promise<TestRun> {
  const report = path.join(folder, `${name}.json`)
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const child = spawn('vitest', ['run', ...reporters, ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  await new Promise<void>((resolve) => {
    child.on('error', (error) => {
      console.error(error.message)
      resolve()
    })
    child.on('close', () => resolve())
  })
  return readRun(report)
}

/** A run that crashed, or ran no test, is not whole. */
function readRun(report: string): TestRun {
  try {
    const { success, testResults } = JSON.parse(readFileSync(report, 'utf8')) as {
      success: boolean
      testResults: { name: string; status: string; assertionResults: { status: string }[] }[]
    }
    const files = new Map<string, Counts>()
    for (const { name, status, assertionResults } of testResults) {
      const count = (wanted: string): number =>
        assertionResults.filter((test) => test.status === wanted).length
      const failedTests = count('failed')
      // What failed may have been the set-up of the file.
      const isFailed = status === 'failed' && failedTests === 0
      files.set(name, { passed: count('passed'), failed: isFailed ? 1 : failedTests })
    }
    const run = { files, isWhole: true }
    return { files, isWhole: files.size > 0 && (success || failedFiles(run).length > 0) }
  } catch {
    return { files: new Map(), isWhole: false }
  }
}

/** So many are no accident. */
const maxRepeated = 5

/**
 * Every kind of test; counts them. A few files that failed run once more when nothing else does: a test
 * that passes then is told, since it is a defect, of the test if not of Kiln.
 */
async function runTests(): Promise<void> {
  const first = await vitest('first', [])
  const again = failedFiles(first)
  const mayRepeat = first.isWhole && again.length > 0 && again.length <= maxRepeated
  const second = mayRepeat
    ? await vitest('second', ['--maxWorkers=1', ...again.map((file) => path.relative(root, file))])
    : undefined
  for (const [file, counts] of first.files) {
    const last = second?.files.get(file) ?? counts
    passed += last.passed
    failed += last.failed
    if (counts.failed > last.failed) {
      console.log(`flaky: ${path.relative(root, file)} failed, and passed when it ran alone`)
    }
  }
  if (!first.isWhole || second?.isWhole === false) failed += 1
}

const node = process.execPath
const isBuilt = (await check('build', node, ['scripts/build.ts']))()
const checks = Promise.all([
  checkBeside('format', 'oxfmt', ['--check']),
  checkBeside('lint', 'oxlint', []),
  checkBeside('types', 'tsc', []),
  checkBeside('dead code', 'knip', []),
  ...(isBuilt
    ? [checkBeside('generated files are current', node, ['scripts/generate.ts', '--check'])]
    : []),
])
if (isBuilt) await runTests()
for (const print of await checks) print()
rmSync(folder, { recursive: true, force: true })
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
