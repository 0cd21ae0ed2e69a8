import { writeFileSync } from 'node:fs'
import type { Reporter, TestModule } from 'vitest/node'

/** How the tests of one file ended. */
export interface FileCounts {
  readonly file: string
  readonly passed: number
  readonly failed: number
  /** False when its process ended before it did. */
  readonly isFinished: boolean
}

/** What `scripts/test.ts` has to know of a run of Vitest. */
export interface RunCounts {
  readonly files: readonly FileCounts[]
  /** Errors that no test has caught. */
  readonly unhandledErrors: number
}

function countsOf(module: TestModule): FileCounts {
  const states = [...module.children.allTests()].map((test) => test.result().state)
  const count = (wanted: string): number => states.filter((state) => state === wanted).length
  const failed = count('failed')
  const state = module.state()
  return {
    file: module.moduleId,
    passed: count('passed'),
    // What failed may have been the set-up of the file.
    failed: state === 'failed' ? Math.max(1, failed) : failed,
    isFinished: !['queued', 'pending'].includes(state) && !states.includes('pending'),
  }
}

/** Writes the counts of a run, by file, to where `KILN_TEST_COUNTS` says. Vitest's own leave errors out. */
export default class CountsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts: RunCounts = { files: modules.map(countsOf), unhandledErrors: errors.length }
    const file = process.env.KILN_TEST_COUNTS
    if (file !== undefined) writeFileSync(file, JSON.stringify(counts))
  }
}
