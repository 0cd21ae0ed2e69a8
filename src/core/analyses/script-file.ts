import { createHash } from 'node:crypto'
import { readFile, realpath } from 'node:fs/promises'
import path from 'node:path'
import { KilnError } from '../errors/index.ts'
import { fileError } from '../os/index.ts'
import type { Script } from '../sandbox/contract.ts'
import type { Analysis, Language } from './analysis.ts'

/** The text of a script and where it came from. */
export interface ScriptFile {
  readonly content: string
  /** As the operator named it; `-` for standard input. */
  readonly filename: string
  /** Real path; by it `analysis run FILE` finds its analysis again. Absent: not from a file. */
  readonly path?: string
}

/** Far above what anybody writes by hand; what is larger is data, and belongs into a datasource. */
const mostBytes = 1024 ** 2

/**
 * Reads a script.
 *
 * @throws KilnError FILE_NOT_FOUND and its like, ANALYSIS_INVALID for what is no text.
 */
export async function readScriptFile(filename: string): Promise<ScriptFile> {
  try {
    const content = decodeScript(await readFile(filename), filename)
    return { content, filename, path: await realpath(filename) }
  } catch (error) {
    throw fileError(error, filename)
  }
}

/**
 * The text in the bytes of a script.
 *
 * @throws KilnError ANALYSIS_INVALID when they are too many, or no text that Postgres can keep.
 */
export function decodeScript(bytes: Uint8Array, filename: string): string {
  const refuse = (what: string): KilnError =>
    new KilnError('ANALYSIS_INVALID', `${filename}: ${what}`, {
      hint: 'give a JavaScript or TypeScript file in UTF-8',
    })
  if (bytes.length > mostBytes) throw refuse('a script has at most 1 MB')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw refuse('this is not text in UTF-8')
  }
  if (text.includes('\0')) throw refuse('the text holds a NUL character')
  return text
}

/** The script as a sandbox takes it; the language follows the extension, unknown where it says none. */
export function scriptOf({ content, filename }: ScriptFile): Script {
  return { source: content, filename, language: languageOfFile(filename) }
}

/** By the extension; undefined where it says nothing. */
export function languageOfFile(filename: string): Language | undefined {
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

/** What a stored script would be called as a file; TypeScript must be known as such. */
export const scriptFilename = (name: string, language: Language | undefined): string =>
  `${name}.${language === 'typescript' ? 'ts' : 'js'}`

/** Whether a word of a command line names a file and not an analysis. */
export function looksLikeFile(word: string): boolean {
  return word.includes('/') || languageOfFile(word) !== undefined
}

/** `on-time-by_airport.ts` becomes `on time by airport`. */
export function titleOfFile(filename: string): string {
  const stem = path.basename(filename, path.extname(filename))
  const words = stem.replaceAll(/[-_.\s]+/g, ' ').trim()
  return words === '' ? 'analysis' : words.slice(0, 200)
}

/** What the audit log hashes of an analysis. */
export function auditState(
  { title, name, projectId, isActive }: Pick<Analysis, 'title' | 'name' | 'projectId' | 'isActive'>,
  script: string,
): Readonly<Record<string, unknown>> {
  const scriptHash = createHash('sha256').update(script).digest('hex')
  return { title, name, projectId, isActive, scriptHash }
}

/** What is kept of a script's file in the metadata of its analysis. */
export function fileMetadata(
  file: ScriptFile,
  language: Language,
): Readonly<Record<string, string>> {
  return { language, ...(file.path === undefined ? {} : { file: file.path }) }
}
