import { isKilnError } from '../errors/index.ts'
import type { InspectionOutcome, SandboxError, Script } from '../sandbox/contract.ts'
import type { AnalysisDefinition, ScriptProblem } from './definition.ts'

/** Runs a script's top level where it can harm nothing, and says what it declares. */
export type Inspect = (script: Script) => Promise<InspectionOutcome>

export type ScriptInspection =
  | { readonly status: 'valid'; readonly definition: AnalysisDefinition }
  | { readonly status: 'invalid'; readonly problems: readonly ScriptProblem[] }

/** Reads and checks what a script declares. What is wrong with it is an answer, not an error. */
export async function inspectScript(script: Script, inspect: Inspect): Promise<ScriptInspection> {
  return validateInspection(await inspect(script))
}

/** The same for a script that has been inspected already, as after the claim of a job. */
export async function validateInspection(outcome: InspectionOutcome): Promise<ScriptInspection> {
  if (outcome.status === 'failed') {
    return { status: 'invalid', problems: [scriptProblem(outcome.error)] }
  }
  // Loaded when needed: commands that only list have no use for zod.
  const { readDefinition } = await import('./read-definition.ts')
  const read = readDefinition(outcome.inspection)
  const schedule = read.status === 'valid' ? read.definition.schedule : undefined
  const problem = schedule && (await ruleProblem(schedule.cron))
  return problem ? { status: 'invalid', problems: [problem] } : read
}

/** Why a declared rule cannot be followed; loaded for the scripts that declare one. */
async function ruleProblem(cron: string): Promise<ScriptProblem | undefined> {
  const { parseRule } = await import('../cron/parse-rule.ts')
  try {
    parseRule(cron)
    return undefined
  } catch (error) {
    if (!isKilnError(error, 'CRON_INVALID')) throw error
    const { message } = error
    return { path: 'schedule', message, line: null, column: null, code: 'definition_error' }
  }
}

function scriptProblem(error: SandboxError): ScriptProblem {
  const { code, name, message, line, column } = error
  const isNamed = !['', 'Error', 'DefinitionError'].includes(name) && !message.startsWith(name)
  return { path: '', message: isNamed ? `${name}: ${message}` : message, line, column, code }
}

/** `3:14: SyntaxError: …`, or `parameters[2].type: …`: one line, without the file's name. */
export function problemText({ path, message, line, column }: ScriptProblem): string {
  const place = line === null ? '' : `${line}:${column ?? 1}: `
  return `${place}${path === '' ? '' : `${path}: `}${message}`
}

/** All problems as the one text that is kept with a version. */
export function problemsText(problems: readonly ScriptProblem[]): string {
  const shown = problems.slice(0, 20).map(problemText)
  const rest = problems.length - shown.length
  return [...shown, ...(rest > 0 ? [`and ${rest} more`] : [])].join('\n')
}
