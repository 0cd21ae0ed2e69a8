/**
 * What the executor and a sandbox agree on. Everything that comes from a sandbox is hostile input
 * until it has been checked against these shapes.
 */

/** A script as it is stored. */
export interface Script {
  readonly source: string
  /** Shown in stack traces; never opened. */
  readonly filename: string
  /** `typescript` strips types first; undefined tries JavaScript, then TypeScript. */
  readonly language: 'javascript' | 'typescript' | undefined
}

/** Limits of one job; each is enforced inside the isolate and again from outside. */
export interface SandboxLimits {
  /** Wall time of the whole job, waiting included. */
  readonly timeoutMs: number
  /** Time the script itself may run (outside of waits for host calls). */
  readonly runningMs: number
  /** CPU time of the process for this job, counted from 25 ms after its start. */
  readonly cpuMs: number
  /** Heap of the isolate. */
  readonly memoryBytes: number
  readonly resultBytes: number
  readonly logBytes: number
  readonly logLines: number
}

/** What `ctx` tells the script about itself; plain JSON. */
export interface ScriptContext {
  readonly job: {
    readonly id: string
    readonly attempt: number
    readonly idempotencyKey: string | null
    readonly triggeredBy: string
  }
  readonly analysis: { readonly name: string; readonly version: number }
  readonly project: { readonly id: string }
  /** The occurrence of a scheduled job, else the start, RFC 3339 UTC. */
  readonly now: string
  /** Names of declared datasources; `ctx.datasource.<name>` exists for each. */
  readonly datasources: readonly string[]
}

export interface SandboxJob {
  readonly script: Script
  /** JSON text of the validated parameters. */
  readonly parametersText: string
  readonly context: ScriptContext
  readonly limits: SandboxLimits
  /** Instead of `run`, the `options` function of this parameter is called; its choices are the result. */
  readonly optionsOf?: string
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface LogLine {
  readonly level: LogLevel
  readonly message: string
}

/** Everything a script can ask for; a sandbox that asks for anything else is ended. */
export const hostOperations = [
  'datasource.query',
  'datasource.open',
  'datasource.fetch',
  'datasource.close',
  'duckdb.query',
  'duckdb.exec',
  'duckdb.load',
  'duckdb.export',
  'duckdb.tables',
  'duckdb.describe',
  'metadata.get',
  'metadata.set',
  'analysis.run',
] as const

/** Operations that a script calls by another name, for messages to its author. */
export const calledNames: Readonly<Record<string, string>> = {
  'datasource.open': 'datasource.stream',
  'datasource.fetch': 'datasource.stream',
  'datasource.close': 'datasource.stream',
  'analysis.run': 'runAnalysis',
}

/**
 * What the script may ask of the executor. `call` resolves to JSON text that is passed on
 * untouched; its signal is aborted when the job ends, however it ends. `operation` is one of
 * `hostOperations`; `argumentsText` is whatever the sandbox sent and has to be checked.
 */
export interface SandboxHost {
  call(operation: string, argumentsText: string, signal: AbortSignal): Promise<string>
  log(lines: readonly LogLine[]): void
  progress(fraction: number, message: string | null): void
}

/** Thrown by a `SandboxHost.call`: `code` decides the job's error code if the script lets it pass. */
export interface HostCallFailure {
  readonly code: string
  readonly message: string
}

export type SandboxErrorCode =
  | 'script_error'
  | 'definition_error'
  | 'timeout'
  | 'memory_limit'
  | 'cpu_limit'
  | 'result_too_large'
  | 'result_not_serializable'
  | 'sandbox_crashed'
  | (string & {})

export interface SandboxError {
  readonly code: SandboxErrorCode
  /** Name of the error class in the script, such as `TypeError`. */
  readonly name: string
  readonly message: string
  /** Position in the script as its author wrote it, 1-based; null when unknown. */
  readonly line: number | null
  readonly column: number | null
  /** Only the script's own frames, one a line. */
  readonly stack: string
}

export interface SandboxUsage {
  /** Of the whole process; 0 where the system does not tell. */
  readonly peakMemoryBytes: number
}

/** How a job ended. A job that ran never rejects. */
export type SandboxOutcome =
  | { readonly status: 'completed'; readonly resultText: string; readonly usage: SandboxUsage }
  | { readonly status: 'failed'; readonly error: SandboxError; readonly usage: SandboxUsage }
  /** The caller's signal was aborted; the sandbox is gone. */
  | { readonly status: 'aborted'; readonly usage: SandboxUsage }

/**
 * What a script declares, as plain JSON with functions replaced: an `options` function becomes
 * `{ "$function": true }`. Not yet validated: core/analyses does that.
 */
export interface Inspection {
  readonly form: 'object' | 'function'
  readonly declared: Readonly<Record<string, unknown>>
  readonly language: 'javascript' | 'typescript'
}

/** Limits of reading a definition: only the top level of the script runs, without `ctx`. */
export interface InspectionLimits {
  readonly timeoutMs: number
  readonly memoryBytes: number
}

export type InspectionOutcome =
  | { readonly status: 'ok'; readonly inspection: Inspection }
  | { readonly status: 'failed'; readonly error: SandboxError }
