import { KilnError } from '../../errors/index.ts'
import { type Token, readTokens } from './sql-lexer.ts'

const queries: ReadonlySet<string> = new Set(['select', 'with', 'values', 'table'])
const explainWords: ReadonlySet<string> = new Set(['analyze', 'analyse', 'verbose'])

/**
 * Refuses what is no query before it reaches the server. The read-only transaction and the rights
 * of the role are the wall; this keeps session state, transactions, COPY and procedures out of
 * scripts with an error they can understand.
 */
export function checkQuery(sql: string): readonly Token[] {
  // The protocol ends a text at a zero byte: the rest would be read as the next message.
  if (sql.includes('\0')) throw refusal('the statement has a zero byte in it')
  const tokens = readTokens(sql)
  if (!tokens) throw refusal('the statement has a quote or comment that is not closed')
  const meaningful = tokens.filter(({ kind }) => kind !== 'space')
  const start = skipParentheses(meaningful, 0)
  const first = wordAt(meaningful, start)
  if (first === 'explain') checkExplained(meaningful.slice(start + 1))
  else if (first !== 'show' && !queries.has(first)) throw notQuery(meaningful[start])
  return tokens
}

/** EXPLAIN ANALYZE runs what it explains, and a table it creates passes as read only. */
function checkExplained(tokens: readonly Token[]): void {
  let next = 0
  while (explainWords.has(wordAt(tokens, next))) next += 1
  const query = skipParentheses(tokens, next)
  if (queries.has(wordAt(tokens, query))) return
  if (tokens[next]?.text === '(') {
    const close = tokens.findIndex(({ text }, index) => index > next && text === ')')
    const inner = skipParentheses(tokens, close + 1)
    if (close > 0 && queries.has(wordAt(tokens, inner))) return
  }
  throw notQuery(tokens[query])
}

function skipParentheses(tokens: readonly Token[], start: number): number {
  let next = start
  while (tokens[next]?.text === '(') next += 1
  return next
}

function wordAt(tokens: readonly Token[], index: number): string {
  const token = tokens[index]
  return token?.kind === 'word' ? token.text.toLowerCase() : ''
}

function notQuery(token: Token | undefined): KilnError {
  if (!token || token.kind === 'semicolon') return refusal('the statement is empty')
  const found = JSON.stringify(token.text.slice(0, 40))
  return refusal(
    `only queries can be sent to a datasource (${[...queries].join(', ')}, show, explain), not ${found}`,
  )
}

/**
 * The query with its parameters written into it as literals, for COPY, which takes none. Each is
 * the text that would have been bound, quoted, with the type the server found for that parameter.
 */
export function inlineParameters(tokens: readonly Token[], literals: readonly string[]): string {
  const last = tokens.findLastIndex(({ kind }) => kind !== 'space' && kind !== 'semicolon')
  return tokens
    .slice(0, last + 1)
    .map(({ kind, text }) => {
      if (kind !== 'parameter') return text
      const literal = literals[Number(text.slice(1)) - 1]
      if (literal === undefined) throw refusal(`there is no parameter ${text}`)
      return `(${literal})`
    })
    .join('')
}

/** A value as a literal of the type, whatever it holds. */
export function literalOf(value: string | null, typeName: string): string {
  if (value === null) return `null::${typeName}`
  const quoted = value.replaceAll("'", "''")
  const literal = value.includes('\\') ? `E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`
  return `${literal}::${typeName}`
}

function refusal(message: string): KilnError {
  return new KilnError('DATASOURCE_ERROR', message)
}
