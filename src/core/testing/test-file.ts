import { readFile, readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { isTimezone } from '../units/index.ts'
import { KilnError, errorCodeOf } from '../errors/index.ts'
import { fileError } from '../os/index.ts'

const rows = z.array(z.record(z.string(), z.json()))
/** With the types of its columns: of no rows they cannot be told, and of some not for sure. */
const typedTable = z
  .strictObject({ columns: z.record(z.string(), z.string()), rows })
  .transform((one) => ({ ...one, isTyped: true as const }))

/** Rows, with types or without, or a CSV, JSON or Parquet file beside the test. */
const table = z.union([rows, z.string().min(1), typedTable])

export type TestTable = z.output<typeof table>
export type TypedTable = z.output<typeof typedTable>

/** As DuckDB writes them: `decimal(10, 2)`, `timestamp with time zone`, `varchar[]`. */
const columnType = /^[a-z]\w*( \w+)*( ?\(\d+(, ?\d+)?\))?(\[\])*$/i

/** Not part of the shapes above: of a choice of shapes zod says nothing but that none fits. */
function checkColumns(
  datasources: Readonly<Record<string, TestTable | Readonly<Record<string, TestTable>>>>,
  context: z.core.$RefinementCtx,
): void {
  for (const [datasource, data] of Object.entries(datasources)) {
    const tables = isTable(data) ? [[datasource, data] as const] : Object.entries(data)
    for (const [name, one] of tables) {
      const problem = isTyped(one) ? columnProblem(one) : undefined
      if (problem) context.addIssue(`the table "${name}" ${problem}`)
    }
  }
}

function columnProblem({ columns, rows: given }: TypedTable): string | undefined {
  const types = Object.entries(columns)
  if (types.length === 0) return 'has no columns'
  const wrong = types.find(([, type]) => !columnType.test(type))
  if (wrong) return `has a column "${wrong[0]}" of no type that is known: ${wrong[1]}`
  // DuckDB would leave it out without a word.
  const extra = given.flatMap(Object.keys).find((name) => !Object.hasOwn(columns, name))
  return extra === undefined ? undefined : `has a row with "${extra}", which is none of its columns`
}

export const isTyped = (data: TestTable | object): data is TypedTable =>
  typeof data === 'object' && 'isTyped' in data && data.isTyped === true

export const isTable = (data: TestTable | object): data is TestTable =>
  typeof data === 'string' || Array.isArray(data) || isTyped(data)

const testCase = z
  .strictObject({
    name: z.string().min(1).max(200).optional(),
    parameters: z.record(z.string(), z.json()).default({}),
    /** One table that is called like the datasource, or tables by their names. */
    datasources: z
      .record(z.string(), z.union([table, z.record(z.string(), table)]))
      .superRefine(checkColumns)
      .default({}),
    /** What `ctx.metadata.get` finds. */
    metadata: z.record(z.string(), z.json()).default({}),
    /** What `ctx.runAnalysis` returns, by the name of the analysis. */
    analyses: z.record(z.string(), z.json()).default({}),
    /** What `ctx.now` and relative dates go by. */
    now: z.iso.datetime({ offset: true }).optional(),
    timezone: z
      .string()
      .refine(isTimezone, 'expected a time zone such as "Europe/Berlin"')
      .default('UTC'),
    expected: z.json().optional(),
    expected_error: z
      .strictObject({ code: z.string().optional(), message: z.string().optional() })
      .optional(),
  })
  .refine((one) => (one.expected === undefined) !== (one.expected_error === undefined), {
    message: 'wants either "expected" or "expected_error"',
  })

const severalCases = z.strictObject({ cases: z.array(testCase).min(1) })

export type TestCase = z.output<typeof testCase>

/** The cases of a file and the script they are about. */
export interface TestFile {
  /** `NAME.test.json`, below the folder that was given. */
  readonly name: string
  readonly path: string
  readonly scriptPath: string
  readonly cases: readonly TestCase[]
}

const suffix = '.test.json'
const scriptExtensions = ['.ts', '.js', '.mts', '.mjs']

/**
 * Names of the test files in a folder and those below it, in order, links to files too. Hidden folders,
 * links to folders and `node_modules` are left out.
 *
 * @throws KilnError FILE_NOT_FOUND for a folder that is not there, or that has none.
 */
export async function findTestFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(
    (error: unknown) => {
      if (errorCodeOf(error) !== 'ENOTDIR') throw fileError(error, folder)
      throw new KilnError('FILE_UNREADABLE', `${folder} is a file, not a folder`, {
        hint: 'name the folder that holds it, and choose by --filter',
      })
    },
  )
  const files = entries
    // A link that leads nowhere is a test that fails, and not one that nobody misses.
    .filter((entry) => (entry.isFile() || entry.isSymbolicLink()) && entry.name.endsWith(suffix))
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .filter((name) => !name.split(path.sep).some((part) => /^\.|^node_modules$/.test(part)))
  if (files.length > 0) return files.sort()
  throw new KilnError('FILE_NOT_FOUND', `no *${suffix} in ${folder}`, {
    hint: `write one beside a script: NAME${suffix} for NAME.js, see docs/testing.md`,
  })
}

/**
 * Reads a test file and finds its script.
 *
 * @throws KilnError PARAMETER_INVALID for a file that is no test, FILE_NOT_FOUND without its script.
 */
export async function readTestFile(folder: string, name: string): Promise<TestFile> {
  const file = path.join(folder, name)
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw fileError(error, file)
  })
  const content = parse(text, name)
  // One after what it looks like: of a choice of both zod says nothing but that neither fits.
  const hasCases = typeof content === 'object' && content !== null && 'cases' in content
  const outcome = hasCases
    ? severalCases.safeParse(content)
    : testCase.transform((one) => ({ cases: [one] })).safeParse(content)
  if (!outcome.success) {
    const problems = z.prettifyError(outcome.error).replaceAll(/\s*\n\s*/g, ' ')
    throw new KilnError('PARAMETER_INVALID', `${name}: ${problems}`, {
      hint: 'see docs/testing.md for what a test holds',
    })
  }
  const { cases } = outcome.data
  return { name, path: file, scriptPath: await scriptOf(file), cases }
}

function parse(text: string, name: string): unknown {
  try {
    // Editors of Windows begin a file with a mark.
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw new KilnError('PARAMETER_INVALID', `${name} is not JSON: ${String(error)}`, {
      cause: error,
    })
  }
}

async function scriptOf(file: string): Promise<string> {
  const stem = file.slice(0, -suffix.length)
  const found: string[] = []
  for (const extension of scriptExtensions) {
    const script = stem + extension
    await stat(script).then(
      () => found.push(script),
      (error: unknown) => {
        if (errorCodeOf(error) !== 'ENOENT') throw fileError(error, script)
      },
    )
  }
  const [script, other] = found
  if (script !== undefined && other === undefined) return script
  if (script === undefined) {
    throw new KilnError('FILE_NOT_FOUND', `there is no script ${stem}.js or ${stem}.ts`, {
      hint: 'call the test like its script',
    })
  }
  throw new KilnError(
    'PARAMETER_INVALID',
    `both ${script} and ${other} have the name of the test`,
    {
      hint: 'give one of them another name',
    },
  )
}
