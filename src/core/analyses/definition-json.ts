import type { AnalysisDefinition, ParameterDefinition } from './definition.ts'
import type { JsonRecord, JsonValue } from './json-value.ts'

/** What a script declares, as commands print it and HTTP answers it. */
export function definitionJson(definition: AnalysisDefinition): JsonRecord {
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
      cpu_ms: limits.cpuMs ?? null,
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

function parameterJson(parameter: ParameterDefinition): JsonRecord {
  const { options } = parameter
  return {
    name: parameter.name,
    type: parameter.type,
    required: parameter.isRequired,
    default: (parameter.default as JsonValue | undefined) ?? null,
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
