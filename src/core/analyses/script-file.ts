import path from 'node:path'
import { createHash } from 'node:crypto'
import type { Script } from '../sandbox/contract.ts'
import type { Analysis, Language } from './analysis.ts'

/** The text of a script and the name of the file it came from; `-` for standard input. */
export interface ScriptFile {
  readonly content: string
  readonly filename: string
}

/** The script as a sandbox takes it; the language follows the extension, unknown where it says none. */
export function scriptOf({ content, filename }: ScriptFile): Script {
  return { source: content, filename, language: languageOfFile(filename) }
}

function languageOfFile(filename: string): Language | undefined {
  switch (path.extname(filename).toLowerCase()) {
    case '.ts':
    case '.mts':
      return 'typescript'
    case '.js':
    case '.mjs':
      return 'javascript'
    default:
      return undefined
  }
}

/** `on-time-by_airport.ts` becomes `on time by airport`. */
export function titleOfFile(filename: string): string {
  const words = path
    .basename(filename, path.extname(filename))
    .replaceAll(/[-_.\s]+/g, ' ')
    .trim()
  return words === '' ? 'analysis' : words
}

/** What the audit log hashes of an analysis. */
export function auditState(
  { title, name, projectId, isActive }: Pick<Analysis, 'title' | 'name' | 'projectId' | 'isActive'>,
  script: string,
): Readonly<Record<string, unknown>> {
  const scriptHash = createHash('sha256').update(script).digest('hex')
  return { title, name, projectId, isActive, scriptHash }
}
