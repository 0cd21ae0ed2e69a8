/** Sizes and durations as people write them, and back. Pure functions, no I/O. */
export { formatDuration, parseDuration } from './duration.ts'
export { formatSize, parseSize } from './size.ts'
