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
const report = path.join(folder, 'report.json')
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

/** Every kind of test; counts them. */
async function runTests(): Promise<void> {
  const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const child = spawn('vitest', args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  await new Promise<void>((resolve) => {
    child.on('error', (error) => {
      console.error(error.message)
      resolve()
    })
    child.on('close', () => resolve())
  })
  const counts = readCounts()
  passed += counts.passed
  failed += counts.failed
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

/** A run that crashed, or ran no test, is a failure whatever it counted. */
function readCounts(): { passed: number; failed: number } {
  try {
    const result = JSON.parse(readFileSync(report, 'utf8')) as {
      success: boolean
      numPassedTests: number
      numFailedTests: number
      numFailedTestSuites: number
    }
    const isWhole = result.success && result.numPassedTests > 0
    return {
      passed: result.numPassedTests,
      failed: isWhole
        ? result.numFailedTests
        : Math.max(1, result.numFailedTests, result.numFailedTestSuites),
    }
  } catch {
    return { passed: 0, failed: 1 }
  }
}
