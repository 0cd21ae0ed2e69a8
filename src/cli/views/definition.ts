import type { AnalysisDefinition, ParameterDefinition } from '../../core/analyses/index.ts'
import { formatDuration, formatSize } from '../../core/units/index.ts'
import type { Json, JsonObject } from '../output/output.ts'

/** What a script declares, as commands print it. */
export function definitionJson(definition: AnalysisDefinition): JsonObject {
  const { limits, retries, schedule } = definition
  return {
    form: definition.form,
    language: definition.language,
    title: definition.title ?? null,
    description: definition.description ?? null,
    parameters: definition.parameters?.map(parameterJson) ?? null,
    dependencies: {
      datasources: definition.dependencies.datasources,
      analyses: definition.dependencies.analyses,
    },
    limits: {
      timeout_ms: limits.timeoutMs ?? null,
      memory_bytes: limits.memoryBytes ?? null,
    },
    database: definition.database,
    retries: retries
      ? { limit: retries.limit, delay_ms: retries.delayMs, backoff: retries.backoff }
      : null,
    max_concurrent: definition.maxConcurrent ?? null,
    schedule: schedule
      ? { cron: schedule.cron, timezone: schedule.timezone, enabled: schedule.isEnabled }
      : null,
  }
}

function parameterJson(parameter: ParameterDefinition): JsonObject {
  const { options } = parameter
  return {
    name: parameter.name,
    type: parameter.type,
    required: parameter.isRequired,
    default: (parameter.default as Json | undefined) ?? null,
    description: parameter.description ?? null,
    options:
      options === undefined || options === 'dynamic'
        ? (options ?? null)
        : options.map(({ value, label }) => ({ value, label })),
    min: parameter.min ?? null,
    max: parameter.max ?? null,
    pattern: parameter.pattern ?? null,
    depends_on: parameter.dependsOn,
  }
}

/** Label and text pairs of what a script declares; what it leaves out is not mentioned. */
export function definitionFields(
  definition: AnalysisDefinition,
): readonly (readonly [string, string])[] {
  const { dependencies, limits, retries, schedule } = definition
  const fields: [string, string | undefined][] = [
    ['description', definition.description],
    ['form', `${definition.form}, ${definition.language}`],
    ...parameterFields(definition),
    ['datasources', dependencies.datasources.join(', ')],
    ['analyses', dependencies.analyses.join(', ')],
    ['timeout', limits.timeoutMs === undefined ? '' : formatDuration(limits.timeoutMs)],
    ['memory', limits.memoryBytes === undefined ? '' : formatSize(limits.memoryBytes)],
    ['database', definition.database],
    [
      'retries',
      retries && `${retries.limit}, ${retries.backoff} delay of ${formatDuration(retries.delayMs)}`,
    ],
    ['at a time', definition.maxConcurrent?.toString()],
    [
      'schedule',
      schedule && `${schedule.cron} ${schedule.timezone}${schedule.isEnabled ? '' : ' (off)'}`,
    ],
  ]
  return fields.flatMap(([label, text]) => (text ? [[label, text] as const] : []))
}

function parameterFields({ parameters }: AnalysisDefinition): [string, string][] {
  if (parameters === null) return [['parameters', 'any']]
  if (parameters.length === 0) return [['parameters', 'none']]
  return parameters.map((parameter, index) => [
    index === 0 ? 'parameters' : '',
    [
      `${parameter.name} (${parameter.type}${parameter.isRequired ? ', required' : ''})`,
      parameter.default === undefined ? '' : ` = ${JSON.stringify(parameter.default)}`,
      parameter.description === undefined ? '' : `: ${parameter.description}`,
    ].join(''),
  ])
}
