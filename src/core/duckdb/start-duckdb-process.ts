import { KilnError } from '../errors/index.ts'
import type { DuckdbProcess, DuckdbProcessOptions } from './contract.ts'

/** Starts a DuckDB process for one job and sets it up; resolves when it accepts statements. */
export async function startDuckdbProcess(
  options: DuckdbProcessOptions,
  signal?: AbortSignal,
): Promise<DuckdbProcess> {
  signal?.throwIfAborted()
  throw new KilnError('DATASOURCE_ERROR', `no process yet for ${options.folder}`)
}

/**
 * Keeps one DuckDB process started ahead of need, so that a job does not wait for it. `take` gives
 * it to a job and starts the next.
 */
export class DuckdbSpare {
  constructor(
    readonly base: Pick<
      DuckdbProcessOptions,
      'memoryLimitBytes' | 'nodePath' | 'entryPath' | 'uid'
    >,
  ) {}
  take(options: DuckdbProcessOptions, signal?: AbortSignal): Promise<DuckdbProcess> {
    return startDuckdbProcess(options, signal)
  }
  async stop(): Promise<void> {}
}
