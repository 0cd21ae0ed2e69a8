import { KilnError } from '../../errors/index.ts'
import { checkQuery, inlineParameters, literalOf } from './checked-sql.ts'
import type { CsvTarget } from './contract.ts'
import { type CsvPlan, planColumn } from './csv-columns.ts'
import { CsvFiles } from './csv-files.ts'
import type { Column } from './describe.ts'
import { bindMessage, executeMessage, parseMessage, syncMessage } from './messages.ts'
import { parameterTexts } from './parameters.ts'
import type { Session } from './session.ts'
import type { TypeCatalog } from './type-catalog.ts'
import { serverCode } from './wire.ts'

/**
 * Copies a query's rows to CSV files in the session's transaction. COPY takes no parameters, so
 * they are written into the text as literals of the types the server found for them.
 *
 * The query cannot leave the parentheses it is put into: it was parsed by the server as one
 * complete statement just before, and a text that is one has every parenthesis, quote and comment
 * closed. That matters, since COPY itself can also write files and start programs.
 */
export async function copyToCsv(
  session: Session,
  types: TypeCatalog,
  call: {
    readonly sql: string
    readonly params: readonly unknown[]
    readonly target: CsvTarget
  },
): Promise<{ rowCount: number }> {
  const query = await prepareQuery(session, types, call.sql, call.params)
  const plans = query.columns.map(planColumn)
  const copy = `copy (${selectOf(query.sql, plans)}) to stdout (format csv, null '\\N', encoding 'UTF8'${forceQuotes(query.columns)})`
  const files = new CsvFiles(session, {
    ...call.target,
    looksForBeforeChrist: plans.some((plan) => plan.beforeChrist !== undefined),
    columnsOf: (hasBeforeChrist) =>
      plans.map((plan) => (hasBeforeChrist ? plan.beforeChrist : undefined) ?? plan.csv),
  })
  try {
    const copied = await runCopy(session, copy, files)
    const rowCount = await files.finish()
    if (rowCount !== copied) {
      throw new KilnError(
        'DATASOURCE_ERROR',
        `the server copied ${copied} rows, ${rowCount} arrived`,
      )
    }
    return { rowCount }
  } catch (error) {
    await files.abandon()
    throw error
  }
}

async function prepareQuery(
  session: Session,
  types: TypeCatalog,
  sql: string,
  params: readonly unknown[],
): Promise<{ sql: string; columns: readonly Column[] }> {
  const tokens = checkQuery(sql)
  const described = await session.begin(sql)
  const texts = parameterTexts(params, described.parameters)
  const parameterTypes = await types.types(session, described.parameters)
  const literals = texts.map((text, index) =>
    literalOf(text, parameterTypes[index]?.name ?? 'text'),
  )
  const inlined = inlineParameters(tokens, literals)
  const { parameters, fields } = await session.describe(inlined)
  if (parameters.length > 0) {
    throw new KilnError('DATASOURCE_ERROR', 'the parameters cannot be written into the statement')
  }
  if (fields.length === 0) {
    throw new KilnError('DATASOURCE_ERROR', 'the statement returns no columns to load')
  }
  return { sql: inlined, columns: await types.columns(session, fields) }
}

/** The query as it is, or a select over it where a column travels in another form. */
function selectOf(sql: string, plans: readonly CsvPlan[]): string {
  if (plans.every((plan) => plan.select === undefined)) return `\n${sql}\n`
  const names = plans.map((_, index) => `c${index + 1}`)
  const items = plans.map(
    (plan, index) => plan.select?.replaceAll('$column', `q.c${index + 1}`) ?? `q.c${index + 1}`,
  )
  return `select ${items.join(', ')} from (\n${sql}\n) as q (${names.join(', ')})`
}

/** An empty text alone in its line would be an empty line, which readers of CSV skip. */
function forceQuotes(columns: readonly Column[]): string {
  return columns.length === 1 ? ', force_quote *' : ''
}

async function runCopy(session: Session, copy: string, files: CsvFiles): Promise<number> {
  let copied = -1
  await session.exchange(
    [parseMessage(copy), bindMessage([]), executeMessage(0), syncMessage()],
    (code, body) => {
      if (code === serverCode.commandComplete) {
        copied = Number(/^COPY (\d+)/.exec(body.toString('latin1'))?.[1] ?? -1)
      }
    },
    files.take,
  )
  return copied
}
