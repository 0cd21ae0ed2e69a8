import { sql } from 'kysely'
import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { KilnError, errorCodeOf } from '../errors/index.ts'
import type { Analysis } from './analysis.ts'
import type { AnalysisDefinition } from './definition.ts'
import { requireDependencies } from './dependencies.ts'
import { isAnalysisId } from './get-analysis.ts'
import type { Inspect } from './inspect-script.ts'
import { requireValidScript } from './require-valid-script.ts'
import { completeVersion } from './save-definition.ts'
import { type ScriptFile, auditState, fileMetadata, scriptOf, titleOfFile } from './script-file.ts'
import { analysisColumns } from './select-analyses.ts'

export interface CreateAnalysisInput {
  readonly file: ScriptFile
  readonly projectId: string
  /** Undefined: made from the title, with -2, -3 when taken. */
  readonly name?: string | undefined
  /** Undefined: the declared title, else the file's name. */
  readonly title?: string | undefined
  readonly changeDescription?: string | undefined
}

export interface CreatedAnalysis {
  readonly analysis: Analysis
  readonly definition: AnalysisDefinition
}

/**
 * Creates an analysis with its first version: inspects the script, then stores it with what it
 * declares, all in one transaction.
 *
 * @throws KilnError USAGE for an impossible name or title, ANALYSIS_INVALID, ANALYSIS_EXISTS,
 *   DEPENDENCY_MISSING, DEPENDENCY_CYCLE.
 */
export async function createAnalysis(
  { database, operator }: Pick<Context, 'database' | 'operator'>,
  input: CreateAnalysisInput,
  inspect: Inspect,
): Promise<CreatedAnalysis> {
  const { file, projectId, name } = input
  if (name !== undefined) requireName(name)
  if (input.title !== undefined) requireTitle(input.title)
  const definition = await requireValidScript(scriptOf(file), inspect)
  const title = input.title ?? definition.title ?? titleOfFile(file.filename)

  try {
    return await database.queries.transaction().execute(async (transaction) => {
      const analysis = (await transaction
        .insertInto('analyses')
        .values({
          title,
          scriptContent: file.content,
          projectId,
          // The trigger makes a name from the title where there is none.
          name: name ?? sql<string>`null`,
          metadata: JSON.stringify(fileMetadata(file, definition.language)),
          createdBy: operator.actor,
        })
        .returning(analysisColumns)
        .executeTakeFirstOrThrow()) as Analysis
      const dependent = { analysisId: analysis.id, name: analysis.name, projectId }
      await requireDependencies(transaction, dependent, definition.dependencies)
      await completeVersion(transaction, analysis, {
        definition,
        operator,
        changeDescription: input.changeDescription,
      })
      await recordAudit(transaction, operator, {
        action: 'analysis.create',
        targetType: 'analysis',
        targetId: analysis.id,
        targetName: `${projectId}/${analysis.name}`,
        after: auditState(analysis, file.content),
        details: { version: analysis.version },
      })
      return { analysis, definition }
    })
  } catch (error) {
    // 23505: of the unique constraints only that of the name can fail here.
    if (errorCodeOf(error) !== '23505' || name === undefined) throw error
    throw new KilnError('ANALYSIS_EXISTS', `project "${projectId}" has an analysis "${name}"`, {
      hint: `make a new version of it: kiln analysis update ${name} ${file.filename} --project ${projectId}`,
      cause: error,
    })
  }
}

function requireName(name: string): void {
  if (/^[a-z0-9][a-z0-9_.-]{0,127}$/.test(name) && !isAnalysisId(name)) return
  throw new KilnError('USAGE', `"${name}" cannot be the name of an analysis`, {
    hint: 'use lower-case letters, digits, and _ . - after the first; an id is no name',
  })
}

/** The same rule as for declared titles. */
export function requireTitle(title: string): void {
  if (title.trim() !== '' && title.length <= 200) return
  throw new KilnError('USAGE', 'a title has 1 to 200 characters', { hint: 'give another --title' })
}
