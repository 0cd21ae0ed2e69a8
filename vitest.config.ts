import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { SlowFirst } from './test/support/slow-first.ts'

/** Kinds of tests; see CONTRIBUTING.md for what belongs where. */
const project = (
  name: string,
  options: { timeoutMs: number; isPure?: boolean; isAlone?: boolean },
) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    pool: 'forks' as const,
    testTimeout: options.timeoutMs,
    hookTimeout: 120_000,
    // Vitest's second is too short on a machine that is busy.
    expect: { poll: { timeout: 60_000 } },
    // Files need no process each, whose start and imports take a third of a second of CPU.
    isolate: options.isAlone === true,
    ...(options.isPure ? {} : { globalSetup: ['test/support/global-setup.ts'] }),
  },
})

export default defineConfig({
  test: {
    // Most tests wait for other processes much of the time: three times as many files as cores (with
    // twice as many a third of the CPU was idle), and a test that needs the machine for itself is a
    // bad one. No more than the test server has connections for.
    maxWorkers: Math.min(20, 3 * availableParallelism()),
    sequence: { sequencer: SlowFirst },
    projects: [
      project('unit', { timeoutMs: 20_000, isPure: true }),
      project('property', { timeoutMs: 240_000 }),
      project('integration', { timeoutMs: 120_000 }),
      project('cli', { timeoutMs: 120_000 }),
      project('fault', { timeoutMs: 240_000, isAlone: true }),
      project('security', { timeoutMs: 120_000 }),
    ],
  },
})
