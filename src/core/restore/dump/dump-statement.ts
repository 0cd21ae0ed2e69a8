import { KilnError } from '../../errors/index.ts'

/** Where rows of a dump go. Names are latin1 text as the reader has it. */
export interface DumpTarget {
  readonly schema: string | null
  readonly table: string
  /** Null: all columns of the table, in its order. */
  readonly columns: readonly string[] | null
}

export type DumpStatement =
  | { readonly kind: 'copy'; readonly target: DumpTarget }
  | { readonly kind: 'insert'; readonly target: DumpTarget; readonly values: string }
  /** The order of a table's columns, for rows that do not name them. */
  | { readonly kind: 'table'; readonly target: DumpTarget }
  | { readonly kind: 'setting'; readonly name: string; readonly value: string }
  | { readonly kind: 'other' }

const name = String.raw`(?:"(?:[^"]|"")+"|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)`
const qualified = String.raw`(?:(?<schema>${name})\s*\.\s*)?(?<table>${name})`
const copyPattern = new RegExp(
  String.raw`^copy\s+${qualified}\s*(?:\((?<columns>[^)]*)\))?\s*from\s+stdin\s*(?<options>[^;]*);\s*$`,
  'i',
)
const insertPattern = new RegExp(
  String.raw`^insert\s+into\s+${qualified}\s*(?:\((?<columns>[^)]*)\))?\s*(?:overriding\s+(?:system|user)\s+value\s*)?values\s*`,
  'i',
)
const tablePattern = new RegExp(
  String.raw`^create\s+(?:unlogged\s+)?table\s+(?:if\s+not\s+exists\s+)?${qualified}\s*\(`,
  'i',
)
const settingPattern =
  /^set\s+(?:session\s+)?(?<name>\w+)\s*(?:=|\bto\b)\s*(?<value>[^;]*?)\s*;\s*$/i

/** What a statement of a dump is for. */
export function readDumpStatement(text: string): DumpStatement {
  const copy = copyPattern.exec(text)?.groups
  if (copy) {
    if (copy.options?.trim()) {
      throw new KilnError(
        'BACKUP_DATA_INVALID',
        `the rows of ${copy.table ?? ''} are not as pg_dump writes them: COPY … ${copy.options.trim()}`,
        { hint: 'make the dump with pg_dump: nothing was changed' },
      )
    }
    return { kind: 'copy', target: targetOf(copy) }
  }
  const insert = insertPattern.exec(text)
  if (insert) {
    return { kind: 'insert', target: targetOf(insert.groups), values: text.slice(insert[0].length) }
  }
  const table = tablePattern.exec(text)
  if (table) {
    const columns = columnsOfTable(text.slice(table[0].length))
    return { kind: 'table', target: { ...targetOf(table.groups), columns } }
  }
  const setting = settingPattern.exec(text)?.groups
  if (setting) {
    const value = (setting.value ?? '').replace(/^'(.*)'$/, '$1')
    return { kind: 'setting', name: (setting.name ?? '').toLowerCase(), value }
  }
  return { kind: 'other' }
}

function targetOf(groups: Record<string, string | undefined> | undefined): DumpTarget {
  const { schema, table = '', columns } = groups ?? {}
  return {
    schema: schema === undefined ? null : unquoted(schema),
    table: unquoted(table),
    columns: columns === undefined ? null : splitNames(columns),
  }
}

const splitNames = (text: string): string[] =>
  (text.match(new RegExp(name, 'g')) ?? []).map(unquoted)

/** As Postgres folds names. */
const unquoted = (text: string): string =>
  text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text.toLowerCase()

const constraintWords = /^(constraint|primary|unique|check|foreign|exclude|like)$/i

/** Names of the columns in the body of CREATE TABLE: each first word outside of inner parentheses. */
function columnsOfTable(body: string): string[] {
  const columns: string[] = []
  const part = new RegExp(String.raw`'(?:[^']|'')*'|${name}|[^]`, 'gy')
  let depth = 0
  let isFirst = true
  for (const [word] of body.matchAll(part)) {
    if (word === '(') depth += 1
    else if (word === ')') depth -= 1
    else if (word === ',' && depth === 0) isFirst = true
    else if (isFirst && depth === 0 && word.trim() !== '') {
      if (!constraintWords.test(word)) columns.push(unquoted(word))
      isFirst = false
    }
    if (depth < 0) break
  }
  return columns
}
