import { KilnError } from '../../errors/index.ts'
import { type Token, readTokens } from './sql-lexer.ts'

const queries = new Set(['select', 'with', 'values', 'table', 'show', 'explain'])

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
  const first = tokens.find(({ kind, text }) => kind !== 'space' && text !== '(')
  if (!first) throw refusal('the statement is empty')
  if (first.kind !== 'word' || !queries.has(first.text.toLowerCase())) {
    throw refusal(
      `only queries can be sent to a datasource (${[...queries].join(', ')}), this begins with ${JSON.stringify(first.text.slice(0, 40))}`,
    )
  }
  return tokens
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
