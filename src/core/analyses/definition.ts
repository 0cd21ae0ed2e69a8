import type { JsonValue } from './json-value.ts'

export const parameterTypes = [
  'string',
  'text',
  'number',
  'integer',
  'boolean',
  'date',
  'select',
  'multiselect',
  'object',
  'array',
] as const
export type ParameterType = (typeof parameterTypes)[number]

export type OptionValue = string | number | boolean

export interface ParameterOption {
  readonly value: OptionValue
  readonly label: string
}

/** One parameter as the rest of Kiln sees it, whichever way the script wrote it. */
export interface ParameterDefinition {
  readonly name: string
  readonly type: ParameterType
  readonly isRequired: boolean
  /** For a date it may be a relative name such as `yesterday`. */
  readonly default?: JsonValue
  readonly description?: string
  /** `dynamic`: a function of the script, run when somebody asks for the choices. */
  readonly options?: readonly ParameterOption[] | 'dynamic'
  /** Least value of a number or date, least length of a text, least count of a list. */
  readonly min?: number | string
  readonly max?: number | string
  /** Source of a regular expression that a text must match somewhere. */
  readonly pattern?: string
  readonly dependsOn: readonly string[]
}

export const databaseModes = ['scratch', 'read', 'write'] as const
export type DatabaseMode = (typeof databaseModes)[number]

export const backoffs = ['fixed', 'exponential'] as const

export interface RetryPolicy {
  /** Further runs after the first. */
  readonly limit: number
  readonly delayMs: number
  readonly backoff: (typeof backoffs)[number]
}

export interface DeclaredSchedule {
  readonly cron: string
  readonly timezone: string
  readonly isEnabled: boolean
}

/** Shape of the stored JSON; what has another number is read from the script again. */
export const definitionFormat = 1

/** What a script declares about itself, checked and with defaults filled in. */
export interface AnalysisDefinition {
  readonly format: typeof definitionFormat
  readonly form: 'object' | 'function'
  readonly language: 'javascript' | 'typescript'
  readonly title?: string
  readonly description?: string
  /** Null: the script declares none and takes whatever it is given (only a bare function can). */
  readonly parameters: readonly ParameterDefinition[] | null
  readonly dependencies: {
    readonly datasources: readonly string[]
    readonly analyses: readonly string[]
  }
  /** What is absent is left to the operator's limits. */
  readonly limits: {
    readonly timeoutMs?: number
    readonly cpuMs?: number
    readonly memoryBytes?: number
  }
  readonly database: DatabaseMode
  /** Absent: an error of the script is final. */
  readonly retries?: RetryPolicy
  /** Most jobs of the analysis at a time. */
  readonly maxConcurrent?: number
  readonly schedule?: DeclaredSchedule
}

/** One thing that is wrong with a script, in the words of its author. */
export interface ScriptProblem {
  /** Where in the declaration, such as `parameters[2].type`; empty: the script as a whole. */
  readonly path: string
  readonly message: string
  /** 1-based position in the file; null where only the declaration is known. */
  readonly line: number | null
  readonly column: number | null
  /** `definition_error`, or the sandbox's code such as `script_error` or `timeout`. */
  readonly code: string
}
