import { isKilnError } from '../errors/index.ts'
import { type DeclaringScript, type ProjectNames, checkDependencies } from './check-dependencies.ts'
import type { AnalysisDefinition, ScriptProblem } from './definition.ts'
import { type Inspect, inspectScript } from './inspect-script.ts'
import { type ScriptFile, scriptOf } from './script-file.ts'

/** What is wrong with one script; nothing, when it is valid. */
export interface ScriptReport {
  readonly filename: string
  readonly problems: readonly ScriptProblem[]
}

export interface ValidateOptions {
  readonly read: (filename: string) => Promise<ScriptFile>
  readonly inspect: Inspect
  /** Absent: whether declared datasources and analyses exist is not looked at. */
  readonly project?: ProjectNames | undefined
}

/**
 * Checks scripts one after the other, also when some cannot be read, and then whether those that are
 * valid fit together. Needs no database but for `project`.
 */
export async function validateScripts(
  filenames: readonly string[],
  options: ValidateOptions,
): Promise<readonly ScriptReport[]> {
  const reports: ScriptReport[] = []
  const valid: DeclaringScript[] = []
  for (const filename of filenames) {
    const checked = await checkFile(filename, options)
    if (Array.isArray(checked)) reports.push({ filename, problems: checked })
    else {
      reports.push({ filename, problems: [] })
      valid.push({ filename, definition: checked })
    }
  }
  const together = checkDependencies(valid, options.project)
  return reports.map(({ filename, problems }) => ({
    filename,
    problems: [...problems, ...(together.get(filename) ?? [])],
  }))
}

async function checkFile(
  filename: string,
  { read, inspect }: ValidateOptions,
): Promise<AnalysisDefinition | ScriptProblem[]> {
  let file: ScriptFile
  try {
    file = await read(filename)
  } catch (error) {
    if (!isKilnError(error)) throw error
    const { message, code } = error
    return [{ path: '', message, line: null, column: null, code }]
  }
  const outcome = await inspectScript(scriptOf(file), inspect)
  return outcome.status === 'valid' ? outcome.definition : [...outcome.problems]
}
