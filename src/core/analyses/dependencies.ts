import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import type { AnalysisDefinition } from './definition.ts'

type Dependencies = AnalysisDefinition['dependencies']

interface Dependent {
  readonly analysisId: string
  readonly name: string
  readonly projectId: string
}

/**
 * Refuses dependencies that do not exist in the project, and those that lead back to the analysis.
 * Call it in the transaction that stores them: the lock makes two changes of one project, each of
 * which would close a cycle with the other, see each other.
 *
 * @throws KilnError DEPENDENCY_MISSING naming all that are, DEPENDENCY_CYCLE with the way round.
 */
export async function requireDependencies(
  transaction: Queries,
  dependent: Dependent,
  { datasources, analyses }: Dependencies,
): Promise<void> {
  if (datasources.length + analyses.length === 0) return
  await sql`
    select pg_advisory_xact_lock(hashtext('kiln_dependencies'), hashtext(${dependent.projectId}))
  `.execute(transaction)
  const known = await knownNames(transaction, dependent.projectId, { datasources, analyses })
  const missing = [
    ...datasources
      .filter((name) => !known.datasources.has(name))
      .map((name) => `datasource "${name}"`),
    ...analyses.filter((name) => !known.analyses.has(name)).map((name) => `analysis "${name}"`),
  ]
  if (missing.length > 0) {
    throw new KilnError(
      'DEPENDENCY_MISSING',
      `project "${dependent.projectId}" has no ${missing.join(', no ')}, which the script declares`,
      {
        hint: missing[0]?.startsWith('datasource')
          ? `add it first: kiln datasource add NAME --project ${dependent.projectId} --type TYPE`
          : `create it first: kiln analysis create FILE --project ${dependent.projectId}`,
        details: { missing },
      },
    )
  }
  await refuseCycle(transaction, dependent, analyses)
}

/** Makes the rows of an analysis say what its current version declares. */
export async function storeDependencies(
  transaction: Queries,
  { analysisId, projectId }: Omit<Dependent, 'name'>,
  dependencies: Dependencies,
): Promise<void> {
  await transaction
    .deleteFrom('analysisDependencies')
    .where('analysisId', '=', analysisId)
    .execute()
  const known = await knownNames(transaction, projectId, dependencies)
  const rows = [
    ...dependencies.datasources.map((name) => ({
      dependencyType: 'datasource',
      dependencyName: name,
      dependencyId: known.datasources.get(name) ?? null,
    })),
    ...dependencies.analyses.map((name) => ({
      dependencyType: 'analysis',
      dependencyName: name,
      dependencyId: known.analyses.get(name) ?? null,
    })),
  ]
  if (rows.length === 0) return
  await transaction
    .insertInto('analysisDependencies')
    .values(rows.map((row) => ({ ...row, analysisId })))
    .execute()
}

/** Ids by name of those that exist. */
async function knownNames(
  transaction: Queries,
  projectId: string,
  dependencies: Dependencies,
): Promise<{ datasources: Map<string, string>; analyses: Map<string, string> }> {
  const find = async (table: 'analysisDatasources' | 'analyses', names: readonly string[]) => {
    if (names.length === 0) return new Map<string, string>()
    const rows = await transaction
      .selectFrom(table)
      .select(['id', 'name'])
      .where('projectId', '=', projectId)
      .where('name', 'in', names)
      .execute()
    return new Map(rows.map(({ id, name }) => [name, id]))
  }
  return {
    datasources: await find('analysisDatasources', dependencies.datasources),
    analyses: await find('analyses', dependencies.analyses),
  }
}

async function refuseCycle(
  transaction: Queries,
  { name, projectId }: Dependent,
  analyses: readonly string[],
): Promise<void> {
  if (analyses.length === 0) return
  const rows = await transaction
    .selectFrom('analysisDependencies')
    .innerJoin('analyses', 'analyses.id', 'analysisDependencies.analysisId')
    .select(['analyses.name as from', 'analysisDependencies.dependencyName as to'])
    .where('analyses.projectId', '=', projectId)
    .where('analysisDependencies.dependencyType', '=', 'analysis')
    .execute()
  const edges = new Map<string, string[]>()
  for (const { from, to } of rows) edges.set(from, [...(edges.get(from) ?? []), to])
  // What is stored for the analysis itself is about to be replaced.
  edges.set(name, [...analyses])
  const cycle = findCycle(edges, name)
  if (!cycle) return
  throw new KilnError(
    'DEPENDENCY_CYCLE',
    `the analyses depend on each other in a circle: ${cycle.join(' -> ')}`,
    { hint: 'remove one of these from dependencies.analyses' },
  )
}

/** The way from a name back to itself, both ends included; undefined when there is none. */
export function findCycle(
  edges: ReadonlyMap<string, readonly string[]>,
  start: string,
): string[] | undefined {
  const cameFrom = new Map<string, string>()
  const open = [start]
  for (let name = open.shift(); name !== undefined; name = open.shift()) {
    for (const next of edges.get(name) ?? []) {
      if (next === start) {
        const way = [name]
        for (let step = cameFrom.get(name); step !== undefined; step = cameFrom.get(step)) {
          way.unshift(step)
        }
        return [...way, start]
      }
      if (cameFrom.has(next)) continue
      cameFrom.set(next, name)
      open.push(next)
    }
  }
  return undefined
}
