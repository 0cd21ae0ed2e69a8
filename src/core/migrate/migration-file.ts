import { createHash } from 'node:crypto'
import { KilnError } from '../errors/index.ts'
import { type Segment, splitStatements } from './split-statements.ts'
import { positionAt } from './text-position.ts'

/** One statement of a migration and where it begins in the file. */
export interface Statement {
  readonly sql: string
  readonly offset: number
}

/** The up or the down part of a migration. */
export interface MigrationPart {
  readonly statements: readonly Statement[]
  /** The text between the markers. */
  readonly sql: string
  /** False: the statements run one by one, because one of them refuses a transaction. */
  readonly isTransactional: boolean
}

export interface Migration {
  /** The number in front of the file's name, as it is written there. */
  readonly version: string
  readonly name: string
  readonly fileName: string
  /** The file with line feeds for line ends. */
  readonly content: string
  /** SHA-256 of `content`, hexadecimal: the same on every platform's checkout. */
  readonly checksum: string
  readonly up: MigrationPart
  /** Undefined: the migration cannot be reverted. */
  readonly down: MigrationPart | undefined
}

const fileNamePattern = /^(\d{4,})_([a-z0-9]+(?:_[a-z0-9]+)*)\.sql$/
const markerPattern = /^--[ \t]*migrate:(\S*)(.*)$/gm

/** The version of a file's name; undefined when it is not named as a migration. */
export function versionOfFileName(fileName: string): { version: string; name: string } | undefined {
  const match = fileNamePattern.exec(fileName)
  return match ? { version: match[1] ?? '', name: match[2] ?? '' } : undefined
}

/**
 * Reads one migration. The markers are those of dbmate: `-- migrate:up` and `-- migrate:down`,
 * each with `transaction:false` if need be.
 *
 * @param options.allowEmpty lets an up part without statements pass, as a new file has it.
 * @throws KilnError MIGRATION_INVALID naming file and line.
 */
export function parseMigration(
  fileName: string,
  rawContent: string,
  { allowEmpty = false }: { readonly allowEmpty?: boolean } = {},
): Migration {
  const content = rawContent.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n')
  const named = versionOfFileName(fileName)
  if (!named) {
    throw invalid(fileName, content, 0, 'the name is not like 0001_what_it_does.sql')
  }
  if (content.trim() === '') throw invalid(fileName, content, 0, 'the file is empty')

  const markers = [...content.matchAll(markerPattern)].map((match) => ({
    direction: match[1] ?? '',
    options: (match[2] ?? '').trim(),
    start: match.index,
    end: match.index + match[0].length,
  }))
  const [first, second] = markers
  if (!first) throw invalid(fileName, content, 0, 'there is no line "-- migrate:up"')
  for (const [index, marker] of markers.entries()) {
    if (marker.direction !== ['up', 'down'][index]) {
      const found = `"-- migrate:${marker.direction}" is out of place`
      throw invalid(fileName, content, marker.start, `${found}: one up part, then one down part`)
    }
    if (!['', 'transaction:false', 'transaction:true'].includes(marker.options)) {
      throw invalid(fileName, content, marker.start, `unknown option "${marker.options}"`)
    }
  }
  const stray = splitStatements(content.slice(0, first.start)).segments.find(
    (segment) => segment.statement !== '',
  )
  if (stray) {
    throw invalid(fileName, content, stray.statementStart, 'a statement before "-- migrate:up"')
  }

  const part = (marker: typeof first, end: number): MigrationPart => {
    const statements = statementsOf(fileName, content, marker.end, end)
    return {
      statements,
      sql: content.slice(marker.end, end).trim(),
      isTransactional: marker.options !== 'transaction:false',
    }
  }
  const up = part(first, second?.start ?? content.length)
  if (up.statements.length === 0 && !allowEmpty) {
    throw invalid(fileName, content, first.start, 'the up part holds no statement')
  }
  const down = second ? part(second, content.length) : undefined
  return {
    ...named,
    fileName,
    content,
    checksum: createHash('sha256').update(content).digest('hex'),
    up,
    // A marker with nothing below it, as a new file has it, promises no way back.
    down: down && down.statements.length > 0 ? down : undefined,
  }
}

/** The runner opens and ends transactions; a file that does would break its promises. */
const transactionControl =
  /^(begin|start\s+transaction|commit|end|rollback(?!\s+(work\s+|transaction\s+)?to\b)|abort|prepare\s+transaction)\b/i
const unnamedIndex = /^create\s+(unique\s+)?index\s+concurrently\s+(if\s+not\s+exists\s+)?on\b/i

function statementsOf(fileName: string, content: string, start: number, end: number): Statement[] {
  const { segments, unclosed } = splitStatements(content.slice(start, end))
  if (unclosed) {
    throw invalid(fileName, content, start + unclosed.at, `a ${unclosed.what} is not closed`)
  }
  return segments.filter(isStatement).map((segment) => {
    const offset = start + segment.statementStart
    const control = transactionControl.exec(segment.statement)
    if (control) {
      const what = `"${control[0]}" is not allowed: the runner makes the transaction`
      throw invalid(fileName, content, offset, what)
    }
    if (unnamedIndex.test(segment.statement)) {
      throw invalid(fileName, content, offset, 'an index made concurrently needs a name')
    }
    return { sql: segment.statement, offset }
  })
}

const isStatement = (segment: Segment): boolean => segment.statement !== ''

function invalid(fileName: string, content: string, offset: number, what: string): KilnError {
  const { line } = positionAt(content, offset)
  return new KilnError('MIGRATION_INVALID', `${fileName}:${line}: ${what}`, {
    hint: 'correct the file; docs/migrations.md shows its form',
    details: { file: fileName, line },
  })
}
