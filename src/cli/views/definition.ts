import type { AnalysisDefinition } from '../../core/analyses/index.ts'
import { formatDuration, formatSize } from '../../core/units/index.ts'

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
    ['CPU time', limits.cpuMs === undefined ? '' : formatDuration(limits.cpuMs)],
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
