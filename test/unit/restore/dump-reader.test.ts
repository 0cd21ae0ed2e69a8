import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { DumpReader } from '../../../src/core/restore/dump/dump-reader.ts'
import { readDumpStatement } from '../../../src/core/restore/dump/dump-statement.ts'
import { rowsOfInsert } from '../../../src/core/restore/dump/insert-values.ts'

const text = `--
-- PostgreSQL database dump
--
\\restrict token

SET client_encoding = 'UTF8';
/* a ; in /* a nested */ comment */
CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $_$ begin; -- it's
return $$;$$; end $_$;
CREATE FUNCTION g() RETURNS int BEGIN ATOMIC
 SELECT 1;
 SELECT CASE WHEN true THEN 2 END;
END;
INSERT INTO public.t (a) VALUES ('it''s; "x"
\\. -- no'), (E'\\'; \\\\');
COPY public."My t" (a, "b c") FROM stdin;
1\t\\N
\\.x\tü
2\t\\\\.
\\.


COPY public.empty (a) FROM stdin;
\\.

--
-- PostgreSQL database dump complete
--

\\unrestrict token
`

it('takes no mark of Windows for a word of the first statement', async () => {
  const marked = Buffer.from("\ufeffINSERT INTO projects (id) VALUES ('one');\n")
  const reader = new DumpReader(Readable.from([marked]), 'dump.sql')
  const item = await reader.next()
  expect(item?.kind === 'statement' && readDumpStatement(item.text).kind).toBe('insert')
})

async function read(chunkBytes: number, source = text): Promise<string[]> {
  const bytes = Buffer.from(source)
  const chunks = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, n) =>
    bytes.subarray(n * chunkBytes, (n + 1) * chunkBytes),
  )
  const reader = new DumpReader(Readable.from(chunks), 'dump.sql')
  const items: string[] = []
  for (let item = await reader.next(); item; item = await reader.next()) {
    items.push(item.kind === 'command' ? 'command' : (item.text.split('\n')[0]?.slice(0, 24) ?? ''))
    if (item.kind === 'command' || readDumpStatement(item.text).kind !== 'copy') continue
    const rows: Buffer[] = []
    for await (const chunk of reader.copyData()) rows.push(Buffer.from(chunk))
    items.push(JSON.stringify(Buffer.concat(rows).toString()))
  }
  return items
}

const expected = [
  'command',
  "SET client_encoding = 'U",
  'CREATE FUNCTION f() RETU',
  'CREATE FUNCTION g() RETU',
  'INSERT INTO public.t (a)',
  'COPY public."My t" (a, "',
  JSON.stringify('1\t\\N\n\\.x\tü\n2\t\\\\.\n'),
  'COPY public.empty (a) FR',
  '""',
  'command',
]

describe('a dump', () => {
  it.each([1, 2, 3, 7, 64, 1000, 100_000])('reads the same in chunks of %i bytes', async (size) => {
    expect(await read(size)).toEqual(expected)
  })

  it('with the line ends of Windows reads the same', async () => {
    const items = await read(5, text.replaceAll('\n', '\r\n'))
    expect(items).toHaveLength(expected.length)
  })

  it('that is cut anywhere is refused', async () => {
    const whole = text.indexOf('database dump complete') + 'database dump complete'.length
    for (let length = 60; length < whole; length += 1) {
      await expect(read(1000, text.slice(0, length)), `${length}`).rejects.toThrow(/cut off/)
    }
  })
})

describe('rows of INSERT', () => {
  it('become rows of COPY', () => {
    const values = `(1, -2.5e3, NULL, true, 'a''b\\n\nc\t', E'x\\ty', '{}'::jsonb, b'01', '\\xff'),\n ('')  ;`
    expect(rowsOfInsert(values, 't')).toEqual([
      ['1', '-2.5e3', '\\N', 'true', "a'b\\\\n\\nc\\t", 'x\\ty', '{}', '01', '\\\\xff'],
      [''],
    ])
  })

  it.each([
    '(now());',
    '((select 1));',
    "('a' || 'b');",
    '(default);',
    '(1',
    "('a)",
    '(1) returning *;',
  ])('%s is refused', (values) => {
    expect(() => rowsOfInsert(values, 't')).toThrow(/not as pg_dump writes it/)
  })
})
