/**
 * Small pure things that every module may use: sizes and durations as people write them, names that
 * are close, what differs between two texts or values, and how a guarded process is started. No I/O.
 */
export { type JsonDifference, compareJson } from './compare-json.ts'
export { formatDuration, parseDuration } from './duration.ts'
export { execLine } from './exec-line.ts'
export { type LineChange, diffLines } from './diff-lines.ts'
export { formatSize, parseSize } from './size.ts'
export { didYouMean, nearNames } from './near-names.ts'
export { type UnifiedDiff, unifiedDiff } from './unified-diff.ts'
