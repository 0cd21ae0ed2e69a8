import { type CleanupReport, cleanUp } from '../cleanup/index.ts'
import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'

/**
 * Cleans up as `kiln cleanup` does. Where several data folders do at a time, one of them does the
 * rows too, and each its files.
 *
 * @throws KilnError PARTIAL when something could not be removed, and those of cleanup.
 */
export async function runCleanup(context: Context): Promise<Readonly<Record<string, unknown>>> {
  const report = await cleanUp(context)
  context.signal.throwIfAborted()
  const details = detailsOf(report)
  const isBlocked = report.items.some(({ state }) => state === 'blocked')
  if (!isBlocked && report.problemCount === 0) return details
  throw new KilnError(
    'PARTIAL',
    `some of it could not be cleaned up: ${report.problems.slice(0, 3).join('; ')}`,
    { hint: 'run kiln cleanup to see each', details },
  )
}

const detailsOf = ({ items, problems, notes }: CleanupReport) => ({
  removed: Object.fromEntries(
    items.filter(({ count }) => count > 0).map(({ kind, count }) => [kind, count]),
  ),
  bytes: items.reduce((sum, { bytes }) => sum + bytes, 0),
  problems,
  notes,
})
