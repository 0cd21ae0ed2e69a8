/** What an idle sandbox takes of its own is some 20 MB; the rest it shares with the others. */
const sandboxBytes = 32 * 1024 ** 2
/** The part of the free memory that idle sandboxes may take. */
const memoryShare = 0.1
const most = 64

/**
 * How many sandboxes to keep for projects that take turns, by the memory that is free now (of the
 * container, if there is one): at least as many as jobs run at a time.
 */
export function sandboxesToKeep(
  concurrency: number,
  availableBytes = process.availableMemory(),
): number {
  const affordable = Math.floor((availableBytes * memoryShare) / sandboxBytes)
  return Math.max(concurrency, Math.min(most, affordable))
}
