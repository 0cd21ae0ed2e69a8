/** Object ids of Postgres' own types; they are the same in every database and version. */
export const typeId = {
  bool: 16,
  bytea: 17,
  char: 18,
  name: 19,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  oid: 26,
  xid: 28,
  cid: 29,
  json: 114,
  xml: 142,
  float4: 700,
  float8: 701,
  unknown: 705,
  money: 790,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  interval: 1186,
  timetz: 1266,
  numeric: 1700,
  uuid: 2950,
  jsonb: 3802,
  xid8: 5069,
} as const

/** What Kiln must know of a type to map it. */
export interface TypeInfo {
  readonly id: number
  /** As SQL writes it, for literals and messages. */
  readonly name: string
  /** The element's type of an array whose elements are separated by commas. */
  readonly element?: TypeInfo
}

const scalars = new Map<number, TypeInfo>(
  Object.entries(typeId).map(([name, id]) => [id, { id, name: name === 'char' ? '"char"' : name }]),
)

const arrayIds: readonly (readonly [number, number])[] = [
  [1000, typeId.bool],
  [1001, typeId.bytea],
  [1003, typeId.name],
  [1005, typeId.int2],
  [1007, typeId.int4],
  [1009, typeId.text],
  [1014, typeId.bpchar],
  [1015, typeId.varchar],
  [1016, typeId.int8],
  [1021, typeId.float4],
  [1022, typeId.float8],
  [1028, typeId.oid],
  [1115, typeId.timestamp],
  [1182, typeId.date],
  [1183, typeId.time],
  [1185, typeId.timestamptz],
  [1187, typeId.interval],
  [1231, typeId.numeric],
  [1270, typeId.timetz],
  [199, typeId.json],
  [2951, typeId.uuid],
  [3807, typeId.jsonb],
]

/** The types that need no look into the catalog. */
export const builtinTypes: ReadonlyMap<number, TypeInfo> = new Map([
  ...scalars,
  ...arrayIds.flatMap(([id, elementId]): [number, TypeInfo][] => {
    const element = scalars.get(elementId)
    return element ? [[id, { id, name: `${element.name}[]`, element }]] : []
  }),
])
