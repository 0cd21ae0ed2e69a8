/**
 * Cron rules: read, explained, and when they fire. One function, `nextOccurrence`, says so for the
 * scheduler, the preview and the tests alike. No database: what a script declares is checked by it
 * before anything is stored.
 */
export type { CronRule } from './cron-rule.ts'
export { describeRule } from './describe-rule.ts'
export { type RuleExplanation, explainRule } from './explain-rule.ts'
export { type RuleWarning, lintRule } from './lint-rule.ts'
export { type Occurrence, nextOccurrence, occurrencesAfter } from './next-occurrence.ts'
export { utcText } from './local-text.ts'
export { parseRule } from './parse-rule.ts'
export {
  type OccurrencePreview,
  type PreviewRequest,
  previewOccurrences,
} from './preview-occurrences.ts'
export { ruleProblem } from './rule-problem.ts'
export { zoneOffsets } from './zone-offsets.ts'
