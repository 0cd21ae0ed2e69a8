import type { Inspection } from '../sandbox/contract.ts'
import { type AnalysisDefinition, type ScriptProblem, definitionFormat } from './definition.ts'
import { declarationSchema } from './definition-schema.ts'
import { isRecord } from './json-value.ts'
import { present } from './present.ts'
import { readParameters } from './read-parameters.ts'
import { problemsOf } from './schema-helpers.ts'

export type DefinitionOutcome =
  | { readonly status: 'valid'; readonly definition: AnalysisDefinition }
  | { readonly status: 'invalid'; readonly problems: readonly ScriptProblem[] }

const defaultRetryDelayMs = 10_000

/** Checks what a script declared, as the sandbox read it, and fills in what it left out. */
export function readDefinition({ form, declared, language }: Inspection): DefinitionOutcome {
  const parsed = declarationSchema.safeParse(withoutMethods(declared))
  // A bare function without declarations takes whatever it is given; an object that declares no
  // parameters has none.
  const declaresParameters = declared.parameters !== undefined && declared.parameters !== null
  const read = readParameters(declaresParameters ? declared.parameters : [])
  const problems = [...(parsed.success ? [] : problemsOf(parsed.error)), ...read.problems]
  if (!parsed.success || problems.length > 0) return { status: 'invalid', problems }

  const { data } = parsed
  return {
    status: 'valid',
    definition: {
      format: definitionFormat,
      form,
      language,
      parameters: form === 'function' && !declaresParameters ? null : read.parameters,
      dependencies: {
        datasources: data.dependencies?.datasources ?? [],
        analyses: data.dependencies?.analyses ?? [],
      },
      limits: present({
        timeoutMs: toMs(data.limits?.timeoutSeconds),
        cpuMs: toMs(data.limits?.cpuSeconds),
        memoryBytes: data.limits?.memory,
      }),
      database: data.database ?? 'scratch',
      ...present({
        title: data.title?.trim(),
        description: data.description,
        retries: data.retries && {
          limit: data.retries.limit,
          delayMs: toMs(data.retries.delaySeconds) ?? defaultRetryDelayMs,
          backoff: data.retries.backoff ?? 'fixed',
        },
        maxConcurrent: data.maxConcurrent,
        schedule: data.schedule && {
          cron: data.schedule.cron.trim(),
          timezone: data.schedule.timezone ?? 'UTC',
          isEnabled: data.schedule.enabled ?? true,
        },
      }),
    },
  }
}

/** Functions beside `run` are the script's own business: it may call them by `this`. */
function withoutMethods(declared: Inspection['declared']): Inspection['declared'] {
  return Object.fromEntries(
    Object.entries(declared).filter(
      ([key, value]) => key in declarationSchema.shape || !(isRecord(value) && value.$function),
    ),
  )
}

const toMs = (seconds: number | null | undefined): number | undefined =>
  seconds === null || seconds === undefined ? undefined : Math.round(seconds * 1000)
