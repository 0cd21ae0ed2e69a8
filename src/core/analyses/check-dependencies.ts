import type { Context } from '../context.ts'
import { didYouMean } from '../units/index.ts'
import type { AnalysisDefinition, ScriptProblem } from './definition.ts'
import { findCycle } from './dependencies.ts'
import { titleOfFile } from './script-file.ts'

/** What a project has that scripts may declare. */
export interface ProjectNames {
  readonly projectId: string
  readonly datasources: readonly string[]
  readonly analyses: readonly string[]
  /** For each analysis those that it declares. */
  readonly edges: ReadonlyMap<string, readonly string[]>
}

/** A script that is valid by itself. */
export interface DeclaringScript {
  readonly filename: string
  readonly definition: AnalysisDefinition
}

/** What is stored in a project; empty for one that does not exist yet. */
export async function projectNames(
  { database }: Pick<Context, 'database'>,
  projectId: string,
): Promise<ProjectNames> {
  const { queries } = database
  const [datasources, analyses, rows] = await Promise.all([
    queries
      .selectFrom('analysisDatasources')
      .select('name')
      .where('projectId', '=', projectId)
      .execute(),
    queries.selectFrom('analyses').select('name').where('projectId', '=', projectId).execute(),
    queries
      .selectFrom('analysisDependencies')
      .innerJoin('analyses', 'analyses.id', 'analysisDependencies.analysisId')
      .select(['analyses.name as from', 'analysisDependencies.dependencyName as to'])
      .where('analyses.projectId', '=', projectId)
      .where('analysisDependencies.dependencyType', '=', 'analysis')
      .execute(),
  ])
  const edges = new Map<string, string[]>()
  for (const { from, to } of rows) edges.set(from, [...(edges.get(from) ?? []), to])
  return {
    projectId,
    datasources: datasources.map(({ name }) => name),
    analyses: analyses.map(({ name }) => name),
    edges,
  }
}

/**
 * What is wrong with the dependencies of scripts that are to be stored together: circles among them,
 * and in a project also circles with what is stored there, and names that neither it nor one of the
 * scripts has. Problems by the name of the file. Pure.
 */
export function checkDependencies(
  scripts: readonly DeclaringScript[],
  project?: ProjectNames,
): ReadonlyMap<string, readonly ScriptProblem[]> {
  const names = new Map<string, string>()
  for (const script of scripts) names.set(stemOf(script), nameOf(script))
  // The name that it will be stored by goes before that of another's file.
  for (const script of scripts) names.set(nameOf(script), nameOf(script))
  const known = (name: string): string => names.get(name) ?? name

  const edges = new Map(project?.edges)
  for (const script of scripts) {
    edges.set(nameOf(script), script.definition.dependencies.analyses.map(known))
  }
  const problems = new Map<string, ScriptProblem[]>()
  for (const script of scripts) {
    const cycle = findCycle(edges, nameOf(script))
    problems.set(script.filename, [
      ...(project ? missing(script, project, [...names.keys()]) : []),
      ...(cycle ? [circle(cycle)] : []),
    ])
  }
  return problems
}

function missing(
  { definition }: DeclaringScript,
  project: ProjectNames,
  scripts: readonly string[],
): ScriptProblem[] {
  const { datasources, analyses } = definition.dependencies
  const absent = (kind: 'datasource' | 'analysis', name: string, among: readonly string[]) =>
    problem(
      kind === 'datasource' ? 'datasources' : 'analyses',
      `project "${project.projectId}" has no ${kind} "${name}"${didYouMean(name, among)}`,
      'DEPENDENCY_MISSING',
    )
  const known = [...project.analyses, ...scripts]
  return [
    ...datasources
      .filter((name) => !project.datasources.includes(name))
      .map((name) => absent('datasource', name, project.datasources)),
    ...analyses
      .filter((name) => !known.includes(name))
      .map((name) => absent('analysis', name, known)),
  ]
}

const circle = (cycle: readonly string[]): ScriptProblem =>
  problem(
    'analyses',
    `the analyses depend on each other in a circle: ${cycle.join(' -> ')}`,
    'DEPENDENCY_CYCLE',
  )

const problem = (
  field: 'datasources' | 'analyses',
  message: string,
  code: string,
): ScriptProblem => ({ path: `dependencies.${field}`, message, line: null, column: null, code })

/** The name that the database makes of a title. */
function nameOf({ filename, definition }: DeclaringScript): string {
  return named(definition.title ?? titleOfFile(filename))
}

/** Many are stored by the name of their file, whatever their title. */
const stemOf = ({ filename }: DeclaringScript): string => named(titleOfFile(filename))

const named = (title: string): string =>
  title
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 100)
    .replace(/-$/, '') || 'analysis'
