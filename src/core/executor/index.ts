/**
 * The executor: claims jobs, keeps their leases by one heartbeat, runs each in a sandbox, answers
 * what the script asks for, and writes the outcome. It alone holds credentials; it never loads
 * isolated-vm or DuckDB itself.
 */
export { type AskOptionsInput, askOptions } from './ask-options.ts'
export type { ExecutorActivity } from './activity.ts'
export type { ServeCounts } from './claim-loop.ts'
export { Executor } from './executor.ts'
export type { ExecutorOptions, RunOptions } from './executor-options.ts'
export { Broker } from './broker.ts'
export { HostFailure } from './host-failure.ts'
export { jobLimits, largestLimits } from './job-limits.ts'
export { JobData, type JobDataOptions } from './job-data.ts'
export type { JobEnd } from './job-end.ts'
export { type ScriptRunner, noOpRunner } from './script-runner.ts'
export { type RunAnalysisInput, runAnalysis } from './run-analysis.ts'
export { WakeUp } from './wake-up.ts'
export { type DuckdbWalls, duckdbWalls } from './duckdb-walls.ts'
