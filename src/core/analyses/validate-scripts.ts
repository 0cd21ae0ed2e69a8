import { isKilnError } from '../errors/index.ts'
import type { ScriptProblem } from './definition.ts'
import { type Inspect, inspectScript } from './inspect-script.ts'
import { type ScriptFile, scriptOf } from './script-file.ts'

/** What is wrong with one script; nothing, when it is valid. */
export interface ScriptReport {
  readonly filename: string
  readonly problems: readonly ScriptProblem[]
}

/**
 * Checks scripts one after the other, also when some cannot be read. Needs no database, so declared
 * datasources and analyses are not looked for.
 */
export async function validateScripts(
  filenames: readonly string[],
  read: (filename: string) => Promise<ScriptFile>,
  inspect: Inspect,
): Promise<readonly ScriptReport[]> {
  const reports: ScriptReport[] = []
  for (const filename of filenames) {
    reports.push({ filename, problems: await problemsOfFile(filename, read, inspect) })
  }
  return reports
}

async function problemsOfFile(
  filename: string,
  read: (filename: string) => Promise<ScriptFile>,
  inspect: Inspect,
): Promise<readonly ScriptProblem[]> {
  let file: ScriptFile
  try {
    file = await read(filename)
  } catch (error) {
    if (!isKilnError(error)) throw error
    const { message, code } = error
    return [{ path: '', message, line: null, column: null, code }]
  }
  const outcome = await inspectScript(scriptOf(file), inspect)
  return outcome.status === 'valid' ? [] : outcome.problems
}
