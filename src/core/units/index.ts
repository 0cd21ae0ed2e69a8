/** Sizes and durations as people write them, and what the guarded processes share. No I/O. */
export { formatDuration, parseDuration } from './duration.ts'
export { execLine } from './exec-line.ts'
export { formatSize, parseSize } from './size.ts'
