/**
 * Runs hostile scripts: each in a fresh isolate, in a process that holds no secret, no file and no
 * socket, watched and killed from outside. Imports nothing of the rest but units: this is the trust
 * boundary, small enough to read in one sitting.
 */
export type {
  HostCallFailure,
  Inspection,
  InspectionOutcome,
  LogLevel,
  LogLine,
  SandboxError,
  SandboxHost,
  SandboxJob,
  SandboxLimits,
  SandboxOutcome,
  SandboxUsage,
  Script,
  ScriptContext,
} from './contract.ts'
export type { Sandbox } from './sandbox.ts'
export { SandboxPool, type SandboxPoolOptions, type SandboxPoolStats } from './sandbox-pool.ts'
