import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createAnalysis,
  findRunnable,
  getAnalysis,
  getVersion,
  listAnalyses,
  listVersions,
  loadRunnable,
  storeDefinition,
  updateAnalysis,
} from '../../../src/core/analyses/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { declaredInspect, declaring } from '../../support/declared-inspect.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

let projects = 0
/** Tests share a database, each has projects of its own. */
const newProject = (): string => `project-${(projects += 1)}`

async function create(
  projectId: string,
  declared: Readonly<Record<string, unknown>> = {},
  options: { readonly name?: string; readonly title?: string; readonly filename?: string } = {},
) {
  const file = declaring(declared, options.filename)
  const created = await createAnalysis(
    test.context,
    { file, projectId, name: options.name, title: options.title },
    declaredInspect,
  )
  return created.analysis
}

async function update(id: string, declared: Readonly<Record<string, unknown>>, title?: string) {
  return updateAnalysis(
    test.context,
    { reference: { idOrName: id }, file: declaring(declared), title },
    declaredInspect,
  )
}

async function dependenciesOf(analysisId: string): Promise<string[]> {
  const rows = await test.context.database.queries
    .selectFrom('analysisDependencies')
    .select(['dependencyType', 'dependencyName', 'dependencyId'])
    .where('analysisId', '=', analysisId)
    .orderBy('dependencyType')
    .orderBy('dependencyName')
    .execute()
  return rows.map(
    (row) => `${row.dependencyType} ${row.dependencyName} ${row.dependencyId !== null}`,
  )
}

async function auditRows(targetId: string) {
  return test.context.database.queries
    .selectFrom('analysisAuditLog')
    .select(['action', 'actor', 'targetName', 'beforeHash', 'afterHash', 'details'])
    .where('targetId', '=', targetId)
    .orderBy('id')
    .execute()
}

const addDatasource = (projectId: string, name: string) =>
  test.context.database.queries
    .insertInto('analysisDatasources')
    .values({ projectId, name, type: 'file' })
    .execute()

describe('createAnalysis', () => {
  it('stores the script, what it declares, its dependencies and an audit row', async () => {
    const project = newProject()
    await addDatasource(project, 'flights')
    await create(project, {}, { name: 'airports' })
    const declared = {
      title: 'On-time performance',
      parameters: [{ name: 'day', type: 'date' }],
      dependencies: { datasources: ['flights'], analyses: ['airports'] },
    }
    const { analysis, definition } = await createAnalysis(
      test.context,
      { file: declaring(declared, 'delays.ts'), projectId: project, changeDescription: 'first' },
      declaredInspect,
    )
    expect(analysis).toMatchObject({
      name: 'on-time-performance',
      title: 'On-time performance',
      projectId: project,
      version: 1,
      isActive: true,
      createdBy: 'tester',
    })
    const version = await getVersion(test.context, analysis)
    expect(version).toMatchObject({
      versionNumber: 1,
      script: JSON.stringify(declared),
      definition,
      definitionError: null,
      changeDescription: 'first',
      createdBy: 'tester',
    })
    expect(await dependenciesOf(analysis.id)).toEqual([
      'analysis airports true',
      'datasource flights true',
    ])
    const [audit, ...others] = await auditRows(analysis.id)
    expect(audit).toMatchObject({
      action: 'analysis.create',
      actor: 'tester',
      targetName: `${project}/on-time-performance`,
      beforeHash: null,
      details: { version: 1 },
    })
    expect(audit?.afterHash).toMatch(/^[0-9a-f]{64}$/)
    expect(others).toEqual([])
  })

  it('takes the title given, else the declared one, else the file name', async () => {
    const project = newProject()
    const titles = [
      await create(project, { title: 'Declared' }, { title: 'Given' }),
      await create(project, { title: 'Declared' }),
      await create(project, {}, { filename: 'src/on-time_by.airport.ts' }),
      await create(project, {}, { filename: '-' }),
    ].map(({ title, name }) => [title, name])
    expect(titles).toEqual([
      ['Given', 'given'],
      ['Declared', 'declared'],
      ['on time by airport', 'on-time-by-airport'],
      ['analysis', 'analysis'],
    ])
  })

  it('makes a free name from a title, and refuses a given one that is taken', async () => {
    const project = newProject()
    await create(project, { title: 'Delays' })
    expect((await create(project, { title: 'Delays' })).name).toBe('delays-2')
    await expect(create(project, {}, { name: 'delays' })).rejects.toMatchObject({
      code: 'ANALYSIS_EXISTS',
      exitCode: 65,
      hint: `make a new version of it: kiln analysis update delays delays.js --project ${project}`,
    })
    expect((await create(newProject(), {}, { name: 'delays' })).name).toBe('delays')
  })

  it('gives each of many creations at once a name of its own', async () => {
    const project = newProject()
    const created = await Promise.all(
      Array.from({ length: 8 }, () => create(project, { title: 'Same' })),
    )
    expect(new Set(created.map(({ name }) => name)).size).toBe(8)
  })

  it.each(['Delays', '-a', 'a b', '0b5a1c1e-7d1c-4f0e-9d5b-0a1b2c3d4e5f', 'x'.repeat(129)])(
    'refuses the name %s',
    async (name) => {
      await expect(create(newProject(), {}, { name })).rejects.toMatchObject({ code: 'USAGE' })
    },
  )

  it('stores nothing of an invalid script', async () => {
    const project = newProject()
    await expect(create(project, { titel: 'x', database: 'y' })).rejects.toMatchObject({
      code: 'ANALYSIS_INVALID',
      exitCode: 1,
      message: 'delays.js: database: "y" is not one of scratch, read, write (and 1 more)',
    })
    const broken = { content: '{', filename: 'broken.js' }
    await expect(
      createAnalysis(test.context, { file: broken, projectId: project }, declaredInspect),
    ).rejects.toThrow('broken.js:2:7: SyntaxError: Unexpected token')
    expect((await listAnalyses(test.context, { projectId: project, limit: 10 })).analyses).toEqual(
      [],
    )
  })

  it('stores nothing when a declared dependency is missing', async () => {
    const project = newProject()
    const dependencies = { datasources: ['flights'], analyses: ['airports'] }
    await expect(create(project, { dependencies })).rejects.toMatchObject({
      code: 'DEPENDENCY_MISSING',
      exitCode: 65,
      details: { missing: ['datasource "flights"', 'analysis "airports"'] },
    })
    expect((await listAnalyses(test.context, { projectId: project, limit: 10 })).analyses).toEqual(
      [],
    )
  })
})

describe('updateAnalysis', () => {
  it('makes a version with its own definition, author and audit row', async () => {
    const { id } = await create(newProject(), { title: 'One' })
    const { analysis, isNewVersion } = await update(id, { title: 'One', database: 'read' })
    expect({ version: analysis.version, isNewVersion }).toEqual({ version: 2, isNewVersion: true })
    const versions = await listVersions(test.context, id)
    expect(
      versions.map(({ versionNumber, definition }) => [versionNumber, definition?.database]),
    ).toEqual([
      [2, 'read'],
      [1, 'scratch'],
    ])
    const [created, updated] = await auditRows(id)
    expect(updated).toMatchObject({ action: 'analysis.update', details: { version: 2 } })
    expect(updated?.beforeHash).toBe(created?.afterHash)
    expect(updated?.afterHash).not.toBe(updated?.beforeHash)
  })

  it('makes no version and no audit row of the same script', async () => {
    const { id } = await create(newProject(), { title: 'One' })
    const { analysis, isNewVersion } = await update(id, { title: 'One' })
    expect({ version: analysis.version, isNewVersion }).toEqual({ version: 1, isNewVersion: false })
    expect(await auditRows(id)).toHaveLength(1)
  })

  it('lets the title follow the script until an operator gives one', async () => {
    const { id } = await create(newProject(), { title: 'One' })
    expect((await update(id, { title: 'Two' })).analysis.title).toBe('Two')
    expect((await update(id, { title: 'Two' }, 'Mine')).analysis.title).toBe('Mine')
    expect((await update(id, { title: 'Three' })).analysis).toMatchObject({
      title: 'Mine',
      version: 3,
    })
  })

  it('keeps everything as it was when the new script is invalid', async () => {
    const { id } = await create(newProject(), { title: 'One' })
    await expect(update(id, { titel: 'x' })).rejects.toMatchObject({ code: 'ANALYSIS_INVALID' })
    expect(await getAnalysis(test.context, { idOrName: id })).toMatchObject({
      version: 1,
      title: 'One',
    })
  })

  it('replaces the dependencies', async () => {
    const project = newProject()
    await addDatasource(project, 'a')
    await addDatasource(project, 'b')
    const { id } = await create(project, { dependencies: { datasources: ['a'] } })
    await update(id, { dependencies: { datasources: ['b'] } })
    expect(await dependenciesOf(id)).toEqual(['datasource b true'])
    await update(id, {})
    expect(await dependenciesOf(id)).toEqual([])
  })

  it('refuses circles, naming the way round', async () => {
    const project = newProject()
    const a = await create(project, {}, { name: 'a' })
    await create(project, { dependencies: { analyses: ['a'] } }, { name: 'b' })
    await create(project, { dependencies: { analyses: ['b'] } }, { name: 'c' })
    await expect(update(a.id, { dependencies: { analyses: ['c'] } })).rejects.toMatchObject({
      code: 'DEPENDENCY_CYCLE',
      message: 'the analyses depend on each other in a circle: a -> c -> b -> a',
    })
    await expect(
      create(project, { dependencies: { analyses: ['self'] } }, { name: 'self' }),
    ).rejects.toMatchObject({ code: 'DEPENDENCY_CYCLE' })
    expect((await getAnalysis(test.context, { idOrName: a.id })).version).toBe(1)
  })

  it('lets only one of two updates close a circle', async () => {
    const project = newProject()
    const a = await create(project, {}, { name: 'a' })
    const b = await create(project, {}, { name: 'b' })
    const outcomes = await Promise.allSettled([
      update(a.id, { dependencies: { analyses: ['b'] } }),
      update(b.id, { dependencies: { analyses: ['a'] } }),
    ])
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })

  it('numbers versions without a gap when many updates meet', async () => {
    const { id } = await create(newProject(), {})
    await Promise.all(Array.from({ length: 5 }, (_, index) => update(id, { title: `t${index}` })))
    const versions = await listVersions(test.context, id)
    expect(versions.map(({ versionNumber }) => versionNumber)).toEqual([6, 5, 4, 3, 2, 1])
    expect(versions.every(({ definition }) => definition !== null)).toBe(true)
  })
})

describe('getAnalysis', () => {
  it('finds by id and by name', async () => {
    const project = newProject()
    const { id } = await create(project, {}, { name: 'by-name' })
    expect((await getAnalysis(test.context, { idOrName: id })).name).toBe('by-name')
    expect((await getAnalysis(test.context, { idOrName: 'by-name' })).id).toBe(id)
    expect((await getAnalysis(test.context, { idOrName: id, projectId: project })).id).toBe(id)
  })

  it('suggests names that are close, in the project that was given', async () => {
    const project = newProject()
    await create(project, {}, { name: 'punctuality' })
    await expect(
      getAnalysis(test.context, { idOrName: 'punctualty', projectId: project }),
    ).rejects.toMatchObject({
      code: 'ANALYSIS_NOT_FOUND',
      exitCode: 66,
      hint: 'did you mean punctuality?',
      details: { suggestions: ['punctuality'] },
    })
    await expect(
      getAnalysis(test.context, { idOrName: 'punctualty', projectId: newProject() }),
    ).rejects.toMatchObject({ hint: 'run: kiln analysis list' })
  })

  it('asks for the project when several have the name', async () => {
    const [one, two] = [newProject(), newProject()]
    await create(one, {}, { name: 'twice' })
    const { id } = await create(two, {}, { name: 'twice' })
    await expect(getAnalysis(test.context, { idOrName: 'twice' })).rejects.toMatchObject({
      code: 'ANALYSIS_AMBIGUOUS',
      exitCode: 64,
      details: { projects: [one, two] },
    })
    expect((await getAnalysis(test.context, { idOrName: 'twice', projectId: two })).id).toBe(id)
  })
})

describe('listAnalyses', () => {
  it('pages by project and name, and filters', async () => {
    const project = newProject()
    for (const name of ['c', 'a', 'b']) await create(project, {}, { name })
    await test.context.database.queries
      .updateTable('analyses')
      .set({ isActive: false })
      .where('projectId', '=', project)
      .where('name', '=', 'b')
      .execute()
    const names: string[] = []
    let cursor: string | undefined
    do {
      const page = await listAnalyses(test.context, { projectId: project, limit: 2, cursor })
      names.push(...page.analyses.map(({ name }) => name))
      cursor = page.nextCursor ?? undefined
    } while (cursor)
    expect(names).toEqual(['a', 'b', 'c'])
    const inactive = await listAnalyses(test.context, {
      projectId: project,
      isActive: false,
      limit: 9,
    })
    expect(inactive.analyses.map(({ name }) => name)).toEqual(['b'])
  })

  it.each(['x', Buffer.from('[1]').toString('base64url')])(
    'refuses the cursor %s',
    async (cursor) => {
      await expect(listAnalyses(test.context, { limit: 1, cursor })).rejects.toMatchObject({
        code: 'USAGE',
      })
    },
  )
})

describe('what came by SQL', () => {
  it('has no definition until one is stored, and is runnable then', async () => {
    const { rows } = await test.context.database.pool.query<{ id: string }>(`
      insert into analyses (title, script_content, project_id)
      values ('By SQL', 'export default function analyze() { return 1 }', 'sql')
      returning id
    `)
    const id = rows[0]?.id ?? ''
    expect(await loadRunnable(test.context, id, 1)).toMatchObject({
      name: 'by-sql',
      projectId: 'sql',
      versionNumber: 1,
      script: { filename: 'by-sql.js', language: undefined },
      definition: null,
      definitionError: null,
    })
    await addDatasource('sql', 'flights')
    const { definition } = await createAnalysis(
      test.context,
      { file: declaring({ dependencies: { datasources: ['flights'] } }), projectId: 'sql' },
      declaredInspect,
    )
    await storeDefinition(test.context, id, 1, { definition })
    expect((await loadRunnable(test.context, id, 1)).definition).toEqual(definition)
    expect(await dependenciesOf(id)).toEqual(['datasource flights true'])
  })

  it('keeps the reason when a script cannot be read', async () => {
    const { id } = await create(newProject(), {})
    await test.context.database.queries
      .updateTable('analyses')
      .set({ scriptContent: 'broken' })
      .where('id', '=', id)
      .execute()
    await storeDefinition(test.context, id, 2, { error: 'no default export' })
    expect(await findRunnable(test.context, id)).toMatchObject({
      versionNumber: 2,
      definition: null,
      definitionError: 'no default export',
    })
    expect((await findRunnable(test.context, id, { version: 1 })).definition).not.toBeNull()
  })

  it('reads a definition that another release stored in another shape again', async () => {
    const { id } = await create(newProject(), {})
    await test.context.database.queries
      .updateTable('analysisVersions')
      .set({ definition: JSON.stringify({ format: 0, params: [] }) })
      .where('analysisId', '=', id)
      .execute()
    expect((await findRunnable(test.context, id)).definition).toBeNull()
  })

  it('names the newest version when one is asked for that there is not', async () => {
    const { id, name } = await create(newProject(), {})
    await expect(findRunnable(test.context, id, { version: 7 })).rejects.toMatchObject({
      code: 'VERSION_NOT_FOUND',
      message: `analysis "${name}" has no version 7, the newest is 1`,
    })
  })
})
