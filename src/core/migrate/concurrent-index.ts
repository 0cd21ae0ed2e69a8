import type { OnProgress } from './progress.ts'
import type { Session } from './session.ts'

/** The index that a CONCURRENTLY statement makes or drops. */
export interface ConcurrentIndex {
  readonly kind: 'create' | 'drop'
  /** As SQL writes it, quotes included; of a create without schema. */
  readonly name: string
  /** The table of a create. */
  readonly table: string | undefined
}

const identifier = String.raw`(?:"(?:[^"]|"")+"|[\w$\u0080-\uffff]+)`
const qualified = String.raw`${identifier}(?:\s*\.\s*${identifier})?`
const createPattern = new RegExp(
  String.raw`^create\s+(?:unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?(${identifier})\s+on\s+(?:only\s+)?(${qualified})`,
  'i',
)
const dropPattern = new RegExp(
  String.raw`^drop\s+index\s+concurrently\s+(?:if\s+exists\s+)?(${qualified})`,
  'i',
)

/** Recognises `create index concurrently` and `drop index concurrently`. */
export function concurrentIndexOf(sql: string): ConcurrentIndex | undefined {
  const create = createPattern.exec(sql)
  if (create) return { kind: 'create', name: create[1] ?? '', table: create[2] }
  const drop = dropPattern.exec(sql)
  return drop ? { kind: 'drop', name: drop[1] ?? '', table: undefined } : undefined
}

/** True when the catalogue shows that the statement had reached its end. */
export async function isIndexDone(session: Session, index: ConcurrentIndex): Promise<boolean> {
  const state = await stateOf(session, index)
  return index.kind === 'create' ? state?.isValid === true : state === undefined
}

/**
 * Removes what a failed create has left: an index that no query uses and that every write still
 * pays for. Without waiting for ever: a reader that stopped the create may stop the drop too.
 */
export async function dropInvalidIndex(
  session: Session,
  index: ConcurrentIndex,
  version: string,
  onProgress: OnProgress | undefined,
): Promise<void> {
  if (index.kind !== 'create') return
  const state = await stateOf(session, index)
  if (!state || state.isValid) return
  await session.cleanUp(`drop index concurrently if exists ${state.fullName}`)
  onProgress?.({ kind: 'invalid_index_dropped', version, index: state.fullName })
}

async function stateOf(
  session: Session,
  index: ConcurrentIndex,
): Promise<{ readonly fullName: string; readonly isValid: boolean } | undefined> {
  // An index lies in the schema of its table, whatever the search path says.
  const { rows } = await session.client.query<{ fullName: string; isValid: boolean }>(
    index.kind === 'create'
      ? `select format('%I.%I', n.nspname, c.relname) as "fullName", i.indisvalid as "isValid"
         from pg_index i
         join pg_class c on c.oid = i.indexrelid
         join pg_namespace n on n.oid = c.relnamespace
         where i.indrelid = to_regclass($2)
           and c.relname = (parse_ident($1))[1]`
      : `select to_regclass($1)::text as "fullName", true as "isValid"
         where to_regclass($1) is not null and $2::text is null`,
    [index.name, index.table ?? null],
  )
  return rows[0]
}
