import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { loadDump } from '../../../src/core/restore/dump/load-dump.ts'

/** A table that takes all rows but so many. */
const load = (text: string, lost: number) =>
  loadDump(Readable.from([Buffer.from(text)]), 'dump.sql', {
    columnsOf: () => ['id', 'name'],
    setEncoding: () => Promise.resolve(),
    async load(_, part) {
      const chunks: Buffer[] = []
      for await (const chunk of part.open()) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks).toString().split('\n').length - 1 - lost
    },
  })

describe.each([
  ['COPY', 'COPY public.projects (id, name) FROM stdin;\none\tOne\ntwo\t\\N\n\\.\n'],
  ['INSERT', `INSERT INTO projects (id, name) VALUES ('one', 'One'), ('two', NULL);\n`],
])('rows of %s', (_, text) => {
  it('are counted here and there', async () => {
    expect([...(await load(text, 0)).tables]).toEqual([['projects', 2]])
  })

  it('of which one got lost on the way refuse the dump', async () => {
    await expect(load(text, 1)).rejects.toMatchObject({
      code: 'BACKUP_DATA_INVALID',
      message: 'dump.sql: projects took 1 of 2 rows',
    })
  })
})
