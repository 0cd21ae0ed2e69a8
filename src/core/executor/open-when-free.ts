import { type DuckdbProcess, isDatabaseLocked } from '../duckdb/index.ts'
import { delay } from '../os/index.ts'

/**
 * Who had the database before us may still be closing it: a job's slot is free when its outcome stands,
 * its process goes a moment later. Longer than this somebody uses the file who has no slot.
 */
const longestMs = 15_000
const againMs = 50
const never = new AbortController().signal

/** Starts a process with a project's database, as soon as no other has it open. */
export async function openWhenFree(
  start: () => Promise<DuckdbProcess>,
  { isWanted }: { readonly isWanted: () => boolean },
): Promise<DuckdbProcess> {
  const deadline = performance.now() + longestMs
  for (;;) {
    try {
      return await start()
    } catch (error) {
      if (!isDatabaseLocked(error) || !isWanted() || performance.now() > deadline) throw error
    }
    await delay(againMs, never)
  }
}
