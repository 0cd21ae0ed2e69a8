import { defineConfig } from 'vitest/config'

/** Kinds of tests; see CONTRIBUTING.md for what belongs where. */
const project = (name: string, options: { timeoutMs: number; global?: boolean }) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    pool: 'forks' as const,
    testTimeout: options.timeoutMs,
    hookTimeout: 60_000,
    ...(options.global === false ? {} : { globalSetup: ['test/support/global-setup.ts'] }),
  },
})

export default defineConfig({
  test: {
    projects: [
      project('unit', { timeoutMs: 5_000, global: false }),
      project('property', { timeoutMs: 60_000 }),
      project('integration', { timeoutMs: 60_000 }),
      project('cli', { timeoutMs: 60_000 }),
      project('fault', { timeoutMs: 120_000 }),
      project('security', { timeoutMs: 60_000 }),
    ],
  },
})
