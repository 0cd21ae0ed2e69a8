/**
 * Small pure things that every module may use: sizes and durations as people write them, names that
 * are close, and how a guarded process is started. No I/O.
 */
export { formatDuration, parseDuration } from './duration.ts'
export { execLine } from './exec-line.ts'
export { formatSize, parseSize } from './size.ts'
export { didYouMean, nearNames } from './near-names.ts'
