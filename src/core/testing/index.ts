/**
 * Tests of analyses: a script with the data, the parameters and the result that stand beside it, run in
 * the sandbox that jobs get. No database and no service is needed.
 */
export { type CaseOutcome, type CaseReport, runTests } from './run-tests.ts'
