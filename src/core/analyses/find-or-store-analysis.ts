import { sql } from 'kysely'
import type { Context } from '../context.ts'
import { KilnError, isKilnError } from '../errors/index.ts'
import type { RunnableAnalysis } from './analysis.ts'
import { createAnalysis } from './create-analysis.ts'
import type { Inspect } from './inspect-script.ts'
import { findRunnable } from './load-runnable.ts'
import { openInspector } from './open-inspector.ts'
import { type ScriptFile, looksLikeFile, readScriptFile } from './script-file.ts'
import { updateAnalysis } from './update-analysis.ts'

export interface FoundAnalysis {
  readonly analysis: RunnableAnalysis
  /** What was stored on the way, for the operator; null when nothing was. */
  readonly remark: string | null
}

type StoreContext = Pick<Context, 'database' | 'operator' | 'signal'>

/**
 * The analysis that a word of a command line means: a name, an id, or a script file. A file
 * belongs to the analysis that it was stored as before; a new one is created, a changed one becomes
 * a new version.
 *
 * @throws KilnError as `findRunnable`, `createAnalysis` and `updateAnalysis` do, FILE_NOT_FOUND.
 */
export async function findOrStoreAnalysis(
  context: StoreContext,
  word: string,
  options: { readonly projectId?: string | undefined; readonly version?: number | undefined },
): Promise<FoundAnalysis> {
  const file = await fileOf(context, word, options.projectId)
  if (!file) return { analysis: await findRunnable(context, word, options), remark: null }
  if (options.version !== undefined) {
    throw new KilnError('USAGE', '--version goes with the name of an analysis, not with a file', {
      hint: 'leave --version out: a file is run as it is',
    })
  }
  const projectId = options.projectId ?? 'default'
  const known = await findByFile(context, projectId, file)
  if (known?.isSame) {
    return { analysis: await findRunnable(context, known.id), remark: null }
  }
  const inspector = await openInspector(projectId, context.signal)
  try {
    return await store(context, projectId, file, known?.id, inspector.inspect)
  } finally {
    await inspector.close()
  }
}

async function store(
  context: StoreContext,
  projectId: string,
  file: ScriptFile,
  knownId: string | undefined,
  inspect: Inspect,
): Promise<FoundAnalysis> {
  const { analysis } =
    knownId === undefined
      ? await createAnalysis(context, { file, projectId }, inspect)
      : await updateAnalysis(context, { reference: { idOrName: knownId }, file }, inspect)
  return {
    analysis: await findRunnable(context, analysis.id),
    remark:
      knownId === undefined
        ? `created analysis ${analysis.name} from ${file.filename}`
        : `${file.filename} has changed: it is version ${analysis.version} of ${analysis.name} now`,
  }
}

/** Undefined when the word names no file; a name that looks like one still finds its analysis. */
async function fileOf(
  context: StoreContext,
  word: string,
  projectId: string | undefined,
): Promise<ScriptFile | undefined> {
  if (!looksLikeFile(word)) return undefined
  try {
    return await readScriptFile(word)
  } catch (error) {
    if (!isKilnError(error, 'FILE_NOT_FOUND') || word.includes('/')) throw error
    const isAnalysis = await findRunnable(context, word, { projectId }).then(
      () => true,
      () => false,
    )
    if (isAnalysis) return undefined
    throw error
  }
}

/** By the path it was stored from; else by its text, as in another checkout of the same files. */
async function findByFile(
  { database }: StoreContext,
  projectId: string,
  file: ScriptFile,
): Promise<{ readonly id: string; readonly isSame: boolean } | undefined> {
  const isFromFile = sql<boolean>`coalesce(metadata ->> 'file' = ${file.path ?? ''}, false)`
  const row = await database.queries
    .selectFrom('analyses')
    .select(['id', 'scriptContent'])
    .where('projectId', '=', projectId)
    .where(({ or, eb }) => or([isFromFile, eb('scriptContent', '=', file.content)]))
    .orderBy(isFromFile, 'desc')
    .orderBy('createdAt')
    .limit(1)
    .executeTakeFirst()
  return row && { id: row.id, isSame: row.scriptContent === file.content }
}
