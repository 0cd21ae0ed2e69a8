import type { TypeInfo } from './type-ids.ts'

/** A column of a query as the server describes it, before its type is known. */
export interface Field {
  readonly name: string
  readonly typeId: number
  /** Length or digits as declared; -1 when not. */
  readonly typeModifier: number
}

export interface Column extends Field {
  readonly type: TypeInfo
}

export function readRowDescription(body: Buffer): Field[] {
  const count = body.readUInt16BE(0)
  const fields: Field[] = []
  let offset = 2
  for (let index = 0; index < count; index += 1) {
    const end = body.indexOf(0, offset)
    fields.push({
      name: body.toString('utf8', offset, end),
      typeId: body.readUInt32BE(end + 7),
      typeModifier: body.readInt32BE(end + 13),
    })
    offset = end + 19
  }
  return fields
}

export function readParameterDescription(body: Buffer): number[] {
  const count = body.readUInt16BE(0)
  return Array.from({ length: count }, (_, index) => body.readUInt32BE(2 + index * 4))
}
