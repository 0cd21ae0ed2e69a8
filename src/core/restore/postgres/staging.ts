import { KilnError } from '../../errors/index.ts'
import type { LiveTable } from './live-tables.ts'
import { type RestoreSession, literal, quoted } from './session.ts'

export interface StagingOptions {
  /** Made, unless the tables are temporary. */
  readonly schema: string
  readonly kind: '' | 'unlogged' | 'temporary'
  /** A dump may lack what the schema has now: what has a default may be missing until it is filled. */
  readonly allowsGaps: boolean
}

/**
 * Makes empty tables like the live ones in a schema of their own, with defaults and checks, and without
 * keys, indexes and triggers.
 */
export async function createStaging(
  session: RestoreSession,
  tables: readonly LiveTable[],
  { schema, kind, allowsGaps }: StagingOptions,
): Promise<void> {
  if (kind !== 'temporary') await session.query(`create schema ${quoted(schema)}`)
  for (const table of tables) {
    const target = `${quoted(schema)}.${quoted(table.name)}`
    await session.query(
      `create ${kind} table ${target} (
         like ${quoted(session.live)}.${quoted(table.name)}
         including defaults including constraints including generated including identity
         including storage including compression including comments
       )`,
    )
    if (table.options.length > 0) {
      await session.query(`alter table ${target} set (${table.options.map(optionSql).join(', ')})`)
    }
    if (allowsGaps) {
      const gaps = gapsOf(table).map((name) => `alter column ${quoted(name)} drop not null`)
      if (gaps.length > 0) await session.query(`alter table ${target} ${gaps.join(', ')}`)
    }
  }
}

/** `fillfactor=70` as WITH wants it. */
function optionSql(option: string): string {
  const at = option.indexOf('=')
  const name = option.slice(0, at).split('.').map(quoted).join('.')
  return `${name} = ${literal(option.slice(at + 1))}`
}

/** Columns that triggers or defaults fill; `id` is never one of them. */
const gapsOf = (table: LiveTable): readonly string[] =>
  table.columns
    .filter(
      ({ name, hasDefault, isNullable }) =>
        !isNullable &&
        name !== 'id' &&
        (hasDefault || (table.name === 'analyses' && name === 'name')),
    )
    .map(({ name }) => name)

/** Fills what a dump left open with the defaults. */
export async function fillGaps(
  session: RestoreSession,
  schema: string,
  tables: readonly LiveTable[],
): Promise<void> {
  for (const table of tables) {
    const target = `${quoted(schema)}.${quoted(table.name)}`
    const gaps = gapsOf(table)
    const filled = gaps.filter((name) => table.columns.some((c) => c.name === name && c.hasDefault))
    if (filled.length === 0) continue
    const { rows } = await session.query<Record<string, boolean | null>>(
      `select ${filled.map((name) => `bool_or(${quoted(name)} is null) as ${quoted(name)}`).join(', ')}
       from ${target}`,
    )
    for (const name of filled.filter((column) => rows[0]?.[column] === true)) {
      await session.query(
        `update ${target} set ${quoted(name)} = default where ${quoted(name)} is null`,
      )
    }
  }
}

/** From here on every row is as the live table wants it. */
export async function closeGaps(
  session: RestoreSession,
  schema: string,
  tables: readonly LiveTable[],
): Promise<void> {
  for (const table of tables) {
    const gaps = gapsOf(table).map((name) => `alter column ${quoted(name)} set not null`)
    if (gaps.length === 0) continue
    await session.query(`alter table ${quoted(schema)}.${quoted(table.name)} ${gaps.join(', ')}`)
  }
}

/** Primary keys and the like, of empty or loaded tables. */
export async function addKeys(
  session: RestoreSession,
  schema: string,
  table: LiveTable,
): Promise<void> {
  for (const { name, definition } of table.keys) {
    await session.query(
      `alter table ${quoted(schema)}.${quoted(table.name)}
       add constraint ${quoted(name)} ${definition}`,
    )
  }
}

/** The index of a live table, over the staged one. */
export function stagedIndex(
  schema: string,
  table: LiveTable,
  index: LiveTable['indexes'][number],
): string {
  const mark = ` ON ${quoted(table.name)} USING `
  const plain = ` ON ${table.name} USING `
  for (const text of [plain, mark]) {
    const at = index.definition.indexOf(text)
    if (at < 0) continue
    return `${index.definition.slice(0, at)} ON ${quoted(schema)}.${quoted(table.name)} USING ${index.definition.slice(at + text.length)}`
  }
  throw new KilnError('INTERNAL', `the index ${index.name} has no definition that can be read`)
}

/** References, checked for all rows at once. Those to tables that are not staged go to the live ones. */
export async function addForeignKeys(
  session: RestoreSession,
  schema: string,
  tables: readonly LiveTable[],
): Promise<void> {
  await session.query(`set search_path = ${quoted(schema)}, ${quoted(session.live)}`)
  try {
    for (const table of tables) {
      for (const { name, definition } of table.foreignKeys) {
        await session.query(
          `alter table ${quoted(table.name)} add constraint ${quoted(name)} ${definition}`,
        )
      }
    }
  } finally {
    await session.cleanUp(`set search_path = ${quoted(session.live)}`)
  }
}

/** Owner, comment and grants of the live table. */
export async function takeOverBelongings(
  session: RestoreSession,
  schema: string,
  table: LiveTable,
): Promise<void> {
  const target = `${quoted(schema)}.${quoted(table.name)}`
  // Whatever default privileges have given it.
  const { rows } = await session.query<{ grantee: string }>(
    `select distinct case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
       as grantee
     from pg_class c
     cross join aclexplode(c.relacl) a
     where c.oid = to_regclass($1) and a.grantee <> c.relowner`,
    [target],
  )
  for (const { grantee } of rows) await session.query(`revoke all on ${target} from ${grantee}`)
  for (const { grantee, privilege, column, isGrantable } of table.grants) {
    await session.query(
      `grant ${privilege}${column === null ? '' : ` (${quoted(column)})`} on ${target} to ${grantee}
       ${isGrantable ? 'with grant option' : ''}`,
    )
  }
  if (table.comment !== null) {
    await session.query(`comment on table ${target} is ${literal(table.comment)}`)
  }
  await session.query(`alter table ${target} owner to ${quoted(table.owner)}`)
}
