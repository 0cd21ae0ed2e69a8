import { describe, expect, test } from 'vitest'
import { isKilnError } from '../../../src/core/errors/index.ts'
import { parseMigration } from '../../../src/core/migrate/migration-file.ts'

const parse = (content: string, fileName = '0001_one.sql') => parseMigration(fileName, content)

function messageOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (isKilnError(error, 'MIGRATION_INVALID')) return error.message
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('parseMigration', () => {
  test('reads version, name and both parts', () => {
    const migration = parse(
      '-- Why.\n\n-- migrate:up\ncreate table a ();\nselect 1;\n-- migrate:down\ndrop table a;\n',
      '0042_add_it.sql',
    )
    expect(migration).toMatchObject({ version: '0042', name: 'add_it' })
    expect(migration.up.statements.map(({ sql }) => sql)).toEqual(['create table a ()', 'select 1'])
    expect(migration.up.isTransactional).toBe(true)
    expect(migration.down?.statements).toHaveLength(1)
  })

  test('reads the option of each part', () => {
    const migration = parse(
      '-- migrate:up transaction:false\nvacuum;\n-- migrate:down transaction:true\nselect 1;',
    )
    expect(migration.up.isTransactional).toBe(false)
    expect(migration.down?.isTransactional).toBe(true)
  })

  test.each([
    ['no down marker', '-- migrate:up\nselect 1;'],
    ['nothing below it', '-- migrate:up\nselect 1;\n-- migrate:down\n-- later\n'],
  ])('has no way back with %s', (_name, content) => {
    expect(parse(content).down).toBeUndefined()
  })

  test('has the same checksum with other line ends and a byte order mark, not with other text', () => {
    const content = '-- migrate:up\nselect 1;\n'
    const { checksum } = parse(content)
    expect(parse(`\uFEFF${content.replaceAll('\n', '\r\n')}`).checksum).toBe(checksum)
    expect(parse(`${content} `).checksum).not.toBe(checksum)
  })

  const bad: readonly (readonly [string, string, string])[] = [
    ['an empty file', ' \n', ':1: the file is empty'],
    ['no marker', 'select 1;', ':1: there is no line "-- migrate:up"'],
    ['an up part without statements', '-- migrate:up\n-- later\n', ':1: the up part holds no'],
    ['down before up', '-- migrate:down\nselect 1;\n-- migrate:up\n', ':1: "-- migrate:down" is'],
    ['two up parts', '-- migrate:up\nselect 1;\n-- migrate:up\n', ':3: "-- migrate:up" is out of'],
    [
      'two down parts',
      '-- migrate:up\nselect 1;\n-- migrate:down\n-- migrate:down\n',
      ':4: "-- migrate:down" is out of place',
    ],
    ['an unknown marker', '-- migrate:sideways\n', ':1: "-- migrate:sideways" is out of place'],
    ['an unknown option', '-- migrate:up transaction:no\nselect 1;', ':1: unknown option'],
    ['a statement before the marker', '\nselect 0;\n-- migrate:up\nselect 1;', ':2: a statement'],
    ['an open string', "-- migrate:up\nselect 1;\nselect 'x;", ':3: a string is not closed'],
    ['a commit', '-- migrate:up\nselect 1;\n\ncommit;', ':4: "commit" is not allowed'],
    ['a rollback', '-- migrate:up\nrollback;', ':2: "rollback" is not allowed'],
    ['a begin', '-- migrate:up\nbegin;\nselect 1;', ':2: "begin" is not allowed'],
    [
      'a concurrent index without a name',
      '-- migrate:up transaction:false\ncreate index concurrently on t (n);',
      ':2: an index made concurrently needs a name',
    ],
  ]
  test.each(bad)('refuses %s, naming file and line', (_name, content, message) => {
    expect(messageOf(() => parse(content))).toContain(`0001_one.sql${message}`)
  })

  test('allows going back to a savepoint', () => {
    expect(() =>
      parse('-- migrate:up\nsavepoint s;\nrollback to savepoint s;\nrollback to s;'),
    ).not.toThrow()
  })

  test.each(['1_one.sql', '0001-one.sql', '0001_One.sql', '0001_.sql', 'one.sql'])(
    'refuses the name %s',
    (fileName) => {
      expect(messageOf(() => parse('-- migrate:up\nselect 1;', fileName))).toContain(fileName)
    },
  )
})
