import { KilnError } from '../errors/index.ts'
import type { Script } from '../sandbox/contract.ts'
import type { AnalysisDefinition } from './definition.ts'
import { type Inspect, inspectScript, problemText } from './inspect-script.ts'

/**
 * What a script declares.
 *
 * @throws KilnError ANALYSIS_INVALID with the first problem and how many more there are; all of
 *   them in its details.
 */
export async function requireValidScript(
  script: Script,
  inspect: Inspect,
): Promise<AnalysisDefinition> {
  const outcome = await inspectScript(script, inspect)
  if (outcome.status === 'valid') return outcome.definition
  const [first, ...others] = outcome.problems
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  const place = first === undefined ? '' : problemText(first)
  throw new KilnError(
    'ANALYSIS_INVALID',
    `${script.filename}:${separator(first?.line)}${place}${more}`,
    {
      hint: `correct the script; all its problems: kiln analysis validate ${script.filename}`,
      details: { problems: outcome.problems },
    },
  )
}

/** `file:3:14:` when there is a position, else `file: text`. */
const separator = (line: number | null | undefined): string => (line ? '' : ' ')
