import type { Catalogue } from './read-catalogue.ts'

/** One difference between files, ledger and schema. */
export interface VerifyFinding {
  readonly kind:
    | 'pending'
    | 'drifted'
    | 'missing_file'
    | 'newer'
    | 'unfinished'
    | 'missing'
    | 'different'
  /** A version with its name, or an object of the schema: `index analysis_jobs.kiln_…`. */
  readonly object: string
  readonly message: string
}

/** What the schema lacks, or has otherwise than expected. Parts of a missing table are not listed. */
export function compareCatalogue(expected: Catalogue, found: Catalogue): readonly VerifyFinding[] {
  const findings: VerifyFinding[] = []
  for (const [object, state] of Object.entries(expected)) {
    const actual = found[object]
    if (actual === state) continue
    if (actual === undefined) {
      if (isPartOfMissingTable(object, found)) continue
      findings.push({ kind: 'missing', object, message: `${object} is missing` })
    } else {
      findings.push({
        kind: 'different',
        object,
        message: `${object} is ${difference(object, state, actual)}`,
      })
    }
  }
  return findings
}

function isPartOfMissingTable(object: string, found: Catalogue): boolean {
  const [, table] = /^\w+ (\w+)\./.exec(object) ?? []
  return table !== undefined && found[`table ${table}`] === undefined
}

function difference(object: string, expected: string, actual: string): string {
  return object.startsWith('function ')
    ? 'not the one that the migrations make'
    : `${actual}, expected ${expected}`
}
