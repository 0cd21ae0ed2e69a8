import type { QueueBench } from './queue-bench.ts'
import type { Side } from './side.ts'

export interface KilnSideOptions {
  readonly concurrency: number
  /** In place of sandboxes. */
  readonly runner?: 'no-op' | 'tell'
  /** Analyses in its database, each in a project of its own. */
  readonly analyses: number
  readonly script: string
}

export interface KilnSide {
  readonly side: Side
  readonly url: string
  readonly analysisIds: readonly string[]
  /** Puts jobs of the analyses, in turn, into the empty queue. */
  fill(jobs: number, options?: { readonly keepsHistory: boolean }): Promise<void>
}

/** An executor that has started, in a process of its own, on a new database. */
export async function startKilnSide(
  bench: QueueBench,
  { analyses, script, ...options }: KilnSideOptions,
): Promise<KilnSide> {
  const url = await bench.createDatabase()
  const side = bench.start('kiln', { url, ...options })
  await side.call('migrate')
  const analysisIds = await side.call<string[]>('addAnalyses', analyses, script)
  await side.call('start')
  return {
    side,
    url,
    analysisIds,
    fill: (jobs, { keepsHistory } = { keepsHistory: false }) =>
      side.call('fill', analysisIds, jobs, keepsHistory),
  }
}

/** A peer whose schema is in place, in a process of its own, on a new database. */
export async function startPeer(
  bench: QueueBench,
  program: 'graphile' | 'pg-boss',
  options: Readonly<Record<string, unknown>>,
): Promise<Side> {
  const side = bench.start(program, { url: await bench.createDatabase(), ...options })
  await side.call('migrate')
  return side
}
