import { appendFile } from 'node:fs/promises'
import { Flags } from '@oclif/core'
import { fileError, writeFileAtomically } from '../../core/os/index.ts'
import { annotations, stepSummary } from './github.ts'
import { junitXml } from './junit.ts'
import type { CiCase } from './report.ts'

/** Flags of commands whose answer a pipeline waits for. */
export const ciFlags = {
  ci: Flags.option({
    options: ['github'] as const,
    description: 'annotate what failed on stderr, and write the summary of the step',
    helpValue: 'github',
  })(),
  junit: Flags.string({ description: 'write a JUnit report to this file', helpValue: 'FILE' }),
}

export interface CiFlags {
  readonly ci?: 'github' | undefined
  readonly junit?: string | undefined
}

/**
 * Tells a pipeline what came of it, where it asked to be told. Annotations go to standard error, so that
 * standard output stays data.
 *
 * @throws KilnError PERMISSION_DENIED and its like, for the report's file.
 */
export async function reportToCi(
  given: CiFlags,
  suite: string,
  cases: readonly CiCase[],
): Promise<void> {
  if (given.junit !== undefined)
    await writeFileAtomically(given.junit, junitXml(suite, cases), 0o644)
  if (given.ci !== 'github') return
  for (const line of annotations(cases)) process.stderr.write(`${line}\n`)
  const file = process.env.GITHUB_STEP_SUMMARY
  if (!file) return
  await appendFile(file, stepSummary(suite, cases)).catch((error: unknown) => {
    throw fileError(error, file)
  })
}
