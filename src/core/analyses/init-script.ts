import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { KilnError } from '../errors/index.ts'
import { fileError, packageRoot, writeFileAtomically, writeNewFile } from '../os/index.ts'
import type { Language } from './analysis.ts'
import { languageOfFile, titleOfFile } from './script-file.ts'
import { scriptTemplate, typesPath } from './script-template.ts'

export interface InitScriptInput {
  /** Undefined: `analysis.js`, or `analysis.ts`. */
  readonly filename?: string | undefined
  /** Undefined: as the file name says, else JavaScript. */
  readonly language?: Language | undefined
  /** Write over files that exist. */
  readonly force: boolean
}

export interface InitializedScript {
  readonly filename: string
  readonly language: Language
  /** The types that editors complete by. */
  readonly typesFilename: string
  /** `kept`: there were others, of another release of Kiln. */
  readonly types: 'written' | 'unchanged' | 'kept'
}

/**
 * Writes a script to start from, and beside it the types of what a script sees. A file that exists
 * stays as it is.
 *
 * @throws KilnError USAGE for a name that is no script's, FILE_EXISTS, FILE_NOT_FOUND for a folder
 *   that does not exist, PERMISSION_DENIED and its like.
 */
export async function initScript(input: InitScriptInput): Promise<InitializedScript> {
  const { force } = input
  const { filename, language } = nameOf(input)
  const script = scriptTemplate(language, titleOfFile(filename), filename)
  await writeNewFile(filename, script, { force, mode: 0o644 })
  const typesFilename = path.join(path.dirname(filename), typesPath)
  return { filename, language, typesFilename, types: await writeTypes(typesFilename, force) }
}

function nameOf({ filename, language }: InitScriptInput): {
  readonly filename: string
  readonly language: Language
} {
  if (filename === undefined) {
    const extension = language === 'typescript' ? 'ts' : 'js'
    return { filename: `analysis.${extension}`, language: language ?? 'javascript' }
  }
  const named = languageOfFile(filename)
  if (named === undefined || (language !== undefined && language !== named)) {
    throw new KilnError('USAGE', `${filename} is not the name of a ${nameFor(language)} file`, {
      hint: language === 'typescript' ? 'name it NAME.ts' : 'name it NAME.js or NAME.ts',
    })
  }
  return { filename, language: named }
}

const nameFor = (language: Language | undefined): string =>
  language === 'typescript' ? 'TypeScript' : 'JavaScript or TypeScript'

async function writeTypes(file: string, force: boolean): Promise<InitializedScript['types']> {
  const types = await readFile(path.join(packageRoot(), 'types', 'analysis.d.ts'), 'utf8')
  const before = await readFile(file, 'utf8').catch(() => undefined)
  if (before === types) return 'unchanged'
  if (before !== undefined && !force) return 'kept'
  try {
    await mkdir(path.dirname(file), { recursive: true })
  } catch (error) {
    throw fileError(error, file)
  }
  await writeFileAtomically(file, types, 0o644)
  return 'written'
}
