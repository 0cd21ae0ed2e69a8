/**
 * The whole test suite: build, checks, then every kind of test. Checks count as tests; the last
 * line says how many passed and failed.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '..')
const folder = mkdtempSync(path.join(tmpdir(), 'kiln-test-report-'))
const report = path.join(folder, 'report.json')
let passed = 0
let failed = 0

function check(name: string, command: string, args: readonly string[]): boolean {
  const startedAt = performance.now()
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const took = ((performance.now() - startedAt) / 1000).toFixed(1)
  console.log(`${status === 0 ? 'ok' : 'FAILED'}  ${name} (${took} s)`)
  if (status === 0) passed += 1
  else failed += 1
  return status === 0
}

const node = process.execPath
const isBuilt = check('build', node, ['scripts/build.ts'])
check('format', 'oxfmt', ['--check'])
check('lint', 'oxlint', [])
check('types', 'tsc', [])
check('dead code', 'knip', [])
if (isBuilt) {
  check('generated files are current', node, ['scripts/generate.ts', '--check'])
  spawnSync(
    'vitest',
    ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  )
  const counts = readCounts()
  passed += counts.passed
  failed += counts.failed
}
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
