/**
 * Runs scripts where they can do no harm: each in a fresh isolate inside a child process that has no
 * secrets, watched and ended from outside. What a sandbox sends is hostile until it has been checked
 * here. Imports nothing of the rest of the house but the walls of the operating system, so that it can
 * be read in one sitting.
 */
export type {
  HostCallFailure,
  Inspection,
  InspectionLimits,
  InspectionOutcome,
  LogLevel,
  LogLine,
  SandboxError,
  SandboxErrorCode,
  SandboxHost,
  SandboxJob,
  SandboxLimits,
  SandboxOutcome,
  SandboxUsage,
  Script,
  ScriptContext,
} from './contract.ts'
export { hostOperations } from './contract.ts'
export { type ProbeResults, probeWalls } from './probe-walls.ts'
export { Sandbox } from './sandbox.ts'
export { SandboxPool, type SandboxPoolOptions, type SandboxPoolStats } from './sandbox-pool.ts'
export { SandboxUnavailableError } from './sandbox-unavailable-error.ts'
export type { WallStats } from './walls.ts'
