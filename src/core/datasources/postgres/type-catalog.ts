import { KilnError } from '../../errors/index.ts'
import type { Column, Field } from './describe.ts'
import { bindMessage, executeMessage, parseMessage, syncMessage } from './messages.ts'
import type { Session } from './session.ts'
import { type TypeInfo, builtinTypes } from './type-ids.ts'
import { serverCode } from './wire.ts'

/** A row of pg_type, as far as it matters here. */
interface CatalogRow {
  readonly id: number
  readonly name: string
  readonly kind: string
  readonly elementId: number
  readonly baseId: number
}

// An array has a type of its own for its elements and is stored with a length that varies; box[]
// alone separates its elements by semicolons and stays text.
const typesOf = `
  select t.oid::text, pg_catalog.format_type(t.oid, null), t.typtype::text,
    (case when t.typcategory = 'A' and t.typlen = -1 and t.typdelim = ',' and e.typdelim = ','
      then t.typelem else 0 end)::text,
    t.typbasetype::text
  from pg_catalog.pg_type t left join pg_catalog.pg_type e on e.oid = t.typelem
  where t.oid = any ($1::oid[])`

/** What is known of the types of one server; asks it once per type that is not Postgres' own. */
export class TypeCatalog {
  readonly #known = new Map<number, TypeInfo>(builtinTypes)

  isBuiltin(id: number): boolean {
    return builtinTypes.has(id)
  }

  async columns(session: Session, fields: readonly Field[]): Promise<Column[]> {
    const types = await this.types(
      session,
      fields.map((field) => field.typeId),
    )
    return fields.map((field, index) => ({ ...field, type: types[index] as TypeInfo }))
  }

  /** The types of these ids; asked within the call's transaction. */
  async types(session: Session, ids: readonly number[]): Promise<TypeInfo[]> {
    await this.#learn(session, ids)
    return ids.map((id) => this.#known.get(id) ?? { id, name: 'text' })
  }

  async #learn(session: Session, ids: readonly number[]): Promise<void> {
    const unknown = [...new Set(ids)].filter((id) => !this.#known.has(id))
    if (unknown.length === 0) return
    const rows = await readCatalog(session, unknown)
    await this.#learn(
      session,
      rows.flatMap((row) => [row.elementId, row.baseId]).filter((id) => id !== 0),
    )
    for (const row of rows) this.#known.set(row.id, this.#typeOf(row))
  }

  #typeOf({ id, name, kind, elementId, baseId }: CatalogRow): TypeInfo {
    // The elements of an array of a domain look like the domain's base.
    const base = kind === 'd' ? this.#known.get(baseId) : undefined
    if (base) return { ...base, name }
    const element = this.#known.get(elementId)
    return element ? { id, name, element } : { id, name }
  }
}

async function readCatalog(session: Session, ids: readonly number[]): Promise<CatalogRow[]> {
  const rows: CatalogRow[] = []
  await session.exchange(
    [parseMessage(typesOf), bindMessage([`{${ids.join(',')}}`]), executeMessage(0), syncMessage()],
    (code, body) => {
      if (code !== serverCode.dataRow) return
      const [id, name, kind, elementId, baseId] = readTexts(body)
      rows.push({
        id: Number(id),
        name: name ?? 'text',
        kind: kind ?? '',
        elementId: Number(elementId),
        baseId: Number(baseId),
      })
    },
  )
  if (rows.length === 0) throw new KilnError('DATASOURCE_ERROR', 'the catalog lacks a type')
  return rows
}

function readTexts(body: Buffer): (string | null)[] {
  const texts: (string | null)[] = []
  let offset = 2
  while (offset < body.length) {
    const length = body.readInt32BE(offset)
    offset += 4
    texts.push(length < 0 ? null : body.toString('utf8', offset, offset + length))
    offset += Math.max(length, 0)
  }
  return texts
}
