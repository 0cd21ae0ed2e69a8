/** A piece of SQL that means the same wherever the statement is put. */
export interface Token {
  readonly kind: 'word' | 'parameter' | 'semicolon' | 'space' | 'other'
  readonly text: string
}

/**
 * Postgres' own lexical rules as far as they decide where a parameter, a semicolon or a comment
 * begins; `standard_conforming_strings` is on in every session of Kiln. The texts put together are
 * the statement again. Undefined when something is not closed: the server refuses that too.
 */
export function readTokens(sql: string): Token[] | undefined {
  const tokens: Token[] = []
  let offset = 0
  while (offset < sql.length) {
    const token = readToken(sql, offset)
    if (!token) return undefined
    tokens.push(token.token)
    offset = token.end
  }
  return tokens
}

const patterns: readonly (readonly [Token['kind'], RegExp])[] = [
  ['space', /[\s]+|--[^\n\r]*/y],
  // E'…' knows backslashes, '…' only the doubled quote; both before words, since E begins one. A
  // string goes on in the next line, and only its first part carries the E.
  [
    'other',
    /[eE]'(?:[^'\\]|\\[^]|'')*'(?:(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:\s|--[^\n\r]*)*'(?:[^'\\]|\\[^]|'')*')*/y,
  ],
  ['other', /(?:[uU]&)?'(?:[^']|'')*'/y],
  ['other', /(?:[uU]&)?"(?:[^"]|"")*"/y],
  ['parameter', /\$\d+/y],
  ['word', /[a-zA-Z_\u0080-\uffff][\w$\u0080-\uffff]*/y],
  // Digits too, so that the 1 of 1$2 is not taken for the end of a number before a parameter.
  ['other', /\d[\w.]*/y],
  ['semicolon', /;/y],
]

function readToken(sql: string, offset: number): { token: Token; end: number } | undefined {
  if (sql.startsWith('/*', offset)) {
    const end = endOfComment(sql, offset)
    return end < 0 ? undefined : { token: { kind: 'space', text: sql.slice(offset, end) }, end }
  }
  const dollar = /\$(?:[a-zA-Z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y
  dollar.lastIndex = offset
  const tag = dollar.exec(sql)?.[0]
  if (tag !== undefined) {
    const close = sql.indexOf(tag, offset + tag.length)
    if (close < 0) return undefined
    const end = close + tag.length
    return { token: { kind: 'other', text: sql.slice(offset, end) }, end }
  }
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = offset
    const text = pattern.exec(sql)?.[0]
    if (text === undefined) continue
    const end = offset + text.length
    // An E'…' that is not closed must not pass as the name E and a plain string.
    if (/^e$/i.test(text) && sql[end] === "'") return undefined
    return { token: { kind, text }, end }
  }
  const text = sql[offset] as string
  if (text === "'" || text === '"') return undefined
  return { token: { kind: 'other', text }, end: offset + 1 }
}

/** Comments nest in Postgres. */
function endOfComment(sql: string, start: number): number {
  const edge = /\/\*|\*\//g
  edge.lastIndex = start
  let depth = 0
  for (let match = edge.exec(sql); match; match = edge.exec(sql)) {
    depth += match[0] === '/*' ? 1 : -1
    if (depth === 0) return edge.lastIndex
  }
  return -1
}
