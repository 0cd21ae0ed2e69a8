/**
 * Small pure things that every module may use: sizes and durations as people write them, names that
 * are close, what differs between two texts or values, text that is safe on a terminal, time zones, and
 * how a guarded process is started. No I/O.
 */
export { type JsonDifference, compareJson } from './compare-json.ts'
export { formatDuration, parseDuration } from './duration.ts'
export { execLine } from './exec-line.ts'
export { type LineChange, diffLines } from './diff-lines.ts'
export { printable, printableLines } from './printable.ts'
export { shellWord } from './shell-word.ts'
export { formatSize, parseSize } from './size.ts'
export { maskPasswords } from './mask-passwords.ts'
export { didYouMean, nearNames } from './near-names.ts'
export { isTimezone } from './time-zone.ts'
export { type UnifiedDiff, unifiedDiff } from './unified-diff.ts'
