import { copyFile, mkdir, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createAnalysis,
  findOrStoreAnalysis,
  openInspector,
  readScriptFile,
} from '../../../src/core/analyses/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

const script = (text: string): string => `export default function analyze() { return '${text}' }\n`

async function write(file: string, text: string): Promise<string> {
  const full = path.join(test.folder.path, file)
  await mkdir(path.dirname(full), { recursive: true })
  await writeFile(full, script(text))
  return full
}

const find = (word: string, projectId?: string, version?: number) =>
  findOrStoreAnalysis(test.context, word, { projectId, version })

describe('findOrStoreAnalysis', () => {
  it('creates an analysis of a new file, and a version when the file has changed', async () => {
    const file = await write('report.js', 'one')
    const first = await find(file, 'files')
    expect(first).toMatchObject({
      analysis: {
        name: 'report',
        projectId: 'files',
        versionNumber: 1,
        definition: { form: 'function' },
      },
      remark: `created analysis report from ${file}`,
    })
    expect(await find(file, 'files')).toEqual({ analysis: first.analysis, remark: null })
    await write('report.js', 'two')
    expect(await find(file, 'files')).toMatchObject({
      analysis: { id: first.analysis.id, versionNumber: 2, script: { source: script('two') } },
      remark: `${file} has changed: it is version 2 of report now`,
    })
  })

  it('knows the same script elsewhere, but not another one of the same name', async () => {
    const { analysis } = await find(await write('one/same.js', 'same'), 'places')
    const copy = path.join(test.folder.path, 'same.js')
    await copyFile(path.join(test.folder.path, 'one/same.js'), copy)
    expect(await find(copy, 'places')).toMatchObject({
      analysis: { id: analysis.id },
      remark: null,
    })
    const other = await find(await write('two/same.js', 'other'), 'places')
    expect(other.analysis.name).toBe('same-2')
  })

  it('goes on with an analysis that was created from the file', async () => {
    const file = await write('made.js', 'made')
    const inspector = await openInspector('made')
    try {
      const input = { file: await readScriptFile(file), projectId: 'made', name: 'by-hand' }
      await createAnalysis(test.context, input, inspector.inspect)
    } finally {
      await inspector.close()
    }
    await write('made.js', 'changed')
    expect((await find(file, 'made')).analysis).toMatchObject({ name: 'by-hand', versionNumber: 2 })
  })

  it('finds by name and id what is no file', async () => {
    const { analysis } = await find(await write('named.js', 'x'), 'names')
    expect((await find('named', 'names')).analysis).toEqual(analysis)
    expect((await find(analysis.id)).analysis).toEqual(analysis)
    await expect(find('nmed', 'names')).rejects.toMatchObject({ code: 'ANALYSIS_NOT_FOUND' })
  })

  it('finds a name that looks like a file when there is no such file', async () => {
    const file = await write('odd.js', 'odd')
    const inspector = await openInspector('odd')
    try {
      const input = { file: await readScriptFile(file), projectId: 'odd', name: 'dotted.js' }
      await createAnalysis(test.context, input, inspector.inspect)
    } finally {
      await inspector.close()
    }
    expect((await find('dotted.js', 'odd')).analysis.name).toBe('dotted.js')
    await expect(find('none.js', 'odd')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' })
    await rename(file, `${file}.gone`)
    await expect(find(file, 'odd')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' })
  })

  it('refuses a version of a file', async () => {
    const file = await write('versioned.js', 'x')
    await expect(find(file, 'versioned', 1)).rejects.toMatchObject({ code: 'USAGE' })
  })
})
