import type { Script } from '../sandbox/contract.ts'
import type { AnalysisDefinition } from './definition.ts'
import type { JsonValue } from './json-value.ts'

export type Language = 'javascript' | 'typescript'

/** A row of `analyses` without its script. */
export interface Analysis {
  readonly id: string
  readonly name: string
  readonly title: string
  readonly projectId: string
  /** Number of the newest version. */
  readonly version: number
  readonly isActive: boolean
  readonly metadata: JsonValue
  readonly createdBy: string | null
  readonly createdAt: string
  readonly updatedAt: string
}

/** One immutable revision of an analysis. */
export interface AnalysisVersion {
  readonly analysisId: string
  readonly versionNumber: number
  readonly script: string
  /** Undefined: not known, as after an insert by SQL; the sandbox tries both. */
  readonly language: Language | undefined
  readonly changeDescription: string | null
  readonly createdBy: string | null
  readonly createdAt: string
  /** Null: not read yet, or not readable (then `definitionError` says why). */
  readonly definition: AnalysisDefinition | null
  readonly definitionError: string | null
}

/** Names an analysis: by id, or by name within a project or, if none is given, in all of them. */
export interface AnalysisReference {
  readonly idOrName: string
  readonly projectId?: string | undefined
}

/** What it takes to run one version of an analysis. */
export interface RunnableAnalysis {
  readonly id: string
  readonly name: string
  readonly projectId: string
  readonly isActive: boolean
  readonly versionNumber: number
  readonly script: Script
  /** Null: not read yet, or not readable (then `definitionError` says why). */
  readonly definition: AnalysisDefinition | null
  readonly definitionError: string | null
}
