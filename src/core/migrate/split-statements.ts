/** One stretch of SQL text; all segments of a text, joined, are the text again. */
export interface Segment {
  /** Everything up to and with the semicolon, comments before the statement included. */
  readonly text: string
  /** Where the segment begins in the text. */
  readonly start: number
  /** The statement without comments before it and without its semicolon; empty: nothing to run. */
  readonly statement: string
  /** Where the statement begins in the text. */
  readonly statementStart: number
}

export interface SplitResult {
  readonly segments: readonly Segment[]
  /** What was opened and never closed, and where; the last segment then holds the rest. */
  readonly unclosed?: { readonly what: string; readonly at: number }
}

/**
 * The tokens that decide where a statement ends. Quoted forms are written without nested
 * alternatives, so that a string of megabytes needs no backtracking. Strings are read as with
 * standard_conforming_strings, which the runner sets.
 */
const token =
  /(?<blank>\s+|--[^\n]*)|(?<comment>\/\*)|(?<quoted>[eE]'[^'\\]*(?:(?:\\[^]|'')[^'\\]*)*'|'[^']*(?:''[^']*)*'|"[^"]*(?:""[^"]*)*")|(?<dollar>\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$)|(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|(?<other>\d[\w.]*|[^])/y

/** Words that open or close a block in a function whose body is SQL text (`begin atomic … end`). */
const routine = /^create (or replace )?(function|procedure)\b/

/**
 * Splits SQL into statements as psql does: at semicolons outside of strings, quoted names, dollar
 * quotes, (nested) comments, parentheses and `begin atomic` bodies.
 */
export function splitStatements(text: string): SplitResult {
  const segments: Segment[] = []
  let segmentStart = 0
  let statementStart = -1
  let parentheses = 0
  let blocks = 0
  let words: string[] = []
  let unclosed: SplitResult['unclosed']

  const close = (end: number, statementEnd: number): void => {
    const from = statementStart < 0 ? statementEnd : statementStart
    segments.push({
      text: text.slice(segmentStart, end),
      start: segmentStart,
      statement: text.slice(from, statementEnd).trimEnd(),
      statementStart: from,
    })
    segmentStart = end
    statementStart = -1
    parentheses = 0
    blocks = 0
    words = []
  }

  let position = 0
  while (position < text.length) {
    token.lastIndex = position
    const { blank, comment, dollar, word, other } = token.exec(text)?.groups ?? {}
    let end = token.lastIndex
    if (comment !== undefined) end = endOfComment(text, position)
    else if (dollar !== undefined) end = endAfter(text, dollar, end)
    else if (other === "'" || other === '"') end = -1
    if (end < 0) {
      unclosed ??= { what: openingAt(text, position), at: position }
      end = text.length
    }
    if (blank === undefined && comment === undefined) {
      if (other === ';' && parentheses === 0 && blocks === 0) {
        close(end, position)
        position = end
        continue
      }
      if (statementStart < 0) statementStart = position
      if (other === '(') parentheses += 1
      if (other === ')') parentheses = Math.max(0, parentheses - 1)
      if (word !== undefined) {
        const lower = word.toLowerCase()
        if (words.length < 4) words.push(lower)
        blocks += blockChange(lower, blocks, words)
      }
    }
    position = end
  }
  if (segmentStart < text.length) close(text.length, text.length)
  return unclosed ? { segments, unclosed } : { segments }
}

function blockChange(word: string, blocks: number, words: readonly string[]): number {
  if (!routine.test(words.join(' '))) return 0
  if (word === 'begin' || (word === 'case' && blocks > 0)) return 1
  return word === 'end' && blocks > 0 ? -1 : 0
}

/** The end of a comment that may hold others, or -1. */
function endOfComment(text: string, start: number): number {
  const edge = /\/\*|\*\//g
  edge.lastIndex = start
  let depth = 0
  for (let match = edge.exec(text); match; match = edge.exec(text)) {
    depth += match[0] === '/*' ? 1 : -1
    if (depth === 0) return edge.lastIndex
  }
  return -1
}

function endAfter(text: string, tag: string, from: number): number {
  const index = text.indexOf(tag, from)
  return index < 0 ? -1 : index + tag.length
}

function openingAt(text: string, position: number): string {
  const character = text[position]
  if (character === '/') return 'comment'
  if (character === '$') return 'dollar quote'
  return character === '"' ? 'quoted name' : 'string'
}
