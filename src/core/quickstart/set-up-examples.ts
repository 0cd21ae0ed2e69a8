import { cp, readdir } from 'node:fs/promises'
import path from 'node:path'
import { type RunnableAnalysis, findOrStoreAnalysis } from '../analyses/index.ts'
import type { Context } from '../context.ts'
import { type DatasourceSource, addDatasource, listDatasources } from '../datasources/index.ts'
import { isKilnError } from '../errors/index.ts'
import { ensureDataFolder, fileError, packageRoot } from '../os/index.ts'
import { createExamplePostgres } from './example-postgres.ts'

/** The project that owns the examples. */
export const exampleProject = 'examples'

/** The analysis that the quickstart runs. */
const firstExample = 'airport-punctuality.js'

export interface ExampleSetup {
  readonly analyses: readonly RunnableAnalysis[]
  readonly first: RunnableAnalysis
  /** False when this account may not create a database: one example has no data then. */
  readonly hasPostgres: boolean
}

/**
 * Creates the example datasources and analyses: data copied into the data folder, one datasource a
 * file and one for Postgres, one analysis a script. Safe to repeat.
 */
export async function setUpExamples(
  context: Context,
  onStep: (text: string) => void,
): Promise<ExampleSetup> {
  // One at a time: two that look for what is missing at once would both make it.
  const client = await context.database.pool.connect()
  try {
    await client.query(`select pg_advisory_lock(hashtext('kiln_quickstart'), 0)`)
    return await setUp(context, onStep)
  } finally {
    // Closing the connection gives the lock back.
    client.release(true)
  }
}

async function setUp(context: Context, onStep: (text: string) => void): Promise<ExampleSetup> {
  const examples = path.join(packageRoot(), 'examples')
  const data = path.join(context.settings.dataDir, 'examples')
  // Files below the data folder may be read wherever a command or service is started. A folder as
  // open as that of the sources would have `kiln doctor` complain.
  await ensureDataFolder(data)
  await cp(path.join(examples, 'data'), data, { recursive: true }).catch((error: unknown) => {
    throw fileError(error, data)
  })
  for (const file of (await readdir(data)).toSorted()) {
    if (!/\.(csv|parquet)$/.test(file)) continue
    const name = path.parse(file).name.replaceAll('-', '_')
    await ensureDatasource(context, name, {
      type: 'file',
      path: path.join(data, file),
      format: undefined,
    })
  }
  onStep('datasources of real data: flights, airports, weather, bird strikes')

  const hasPostgres = await ensurePostgres(context, path.join(data, 'flights.csv.gz'))
  if (hasPostgres) onStep('a Postgres datasource with the same flights')
  const analyses: RunnableAnalysis[] = []
  let first: RunnableAnalysis | undefined
  for (const file of (await readdir(examples)).toSorted()) {
    if (!/\.(js|ts)$/.test(file)) continue
    if (!hasPostgres && file === 'delays-by-state.js') continue
    const { analysis } = await findOrStoreAnalysis(context, path.join(examples, file), {
      projectId: exampleProject,
    })
    analyses.push(analysis)
    if (file === firstExample) first = analysis
  }
  if (!first) throw fileError(new Error('it is missing'), path.join(examples, firstExample))
  onStep(`analyses: ${analyses.map((analysis) => analysis.name).join(', ')}`)
  return { analyses, first, hasPostgres }
}

/** The role's password is made with the datasource, so one that is there is left alone. */
async function ensurePostgres(context: Context, flightsFile: string): Promise<boolean> {
  const known = await listDatasources(context, { projectId: exampleProject })
  if (known.some((datasource) => datasource.name === 'flights_db')) return true
  const url = await createExamplePostgres(context, flightsFile)
  if (url === undefined) return false
  await ensureDatasource(context, 'flights_db', { type: 'postgres', url })
  return true
}

async function ensureDatasource(
  context: Context,
  name: string,
  source: DatasourceSource,
): Promise<void> {
  try {
    await addDatasource(context, { projectId: exampleProject, name, source })
  } catch (error) {
    if (!isKilnError(error, 'DATASOURCE_EXISTS')) throw error
  }
}
