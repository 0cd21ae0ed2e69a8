/** Arrays in the binary format, as the server reads them. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { float8Array, int8Array, textArray, uuidArray } from '../../../src/core/database/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

async function read(array: Buffer, type: string): Promise<unknown> {
  const { pool } = test.context.database
  const { rows } = await pool.query<{ read: unknown }>(
    `select to_jsonb($1::${type}[]) as read, array_ndims($1::${type}[]) as dimensions`,
    [array],
  )
  return rows[0]?.read
}

const orNull = <T>(values: fc.Arbitrary<T>) => fc.array(fc.option(values), { maxLength: 20 })
const runs = { numRuns: 60 }

it('holds texts of every kind, and nulls', () =>
  fc.assert(
    fc.asyncProperty(orNull(fc.string({ unit: 'binary', maxLength: 40 })), async (texts) => {
      // Postgres has no NUL in texts.
      const given = texts.map((text) => text?.replaceAll('\0', '0') ?? null)
      expect(await read(textArray(given), 'text')).toEqual(given)
    }),
    runs,
  ))

it('holds ids, also the same one after the other', () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.uuid(), { maxLength: 20 }), async (ids) => {
      const given = ids.flatMap((id) => [id, id])
      expect(await read(uuidArray(given), 'uuid')).toEqual(given)
    }),
    runs,
  ))

it('holds whole numbers up to 2^53, and nulls', () =>
  fc.assert(
    fc.asyncProperty(orNull(fc.maxSafeInteger()), async (numbers) => {
      expect(await read(int8Array(numbers), 'int8')).toEqual(
        numbers.map((n) => (n === null ? n : n + 0)),
      )
    }),
    runs,
  ))

it('holds numbers with fractions, and nulls', () =>
  fc.assert(
    fc.asyncProperty(
      orNull(fc.double({ noNaN: true, noDefaultInfinity: true })),
      async (numbers) => {
        const read8 = await read(float8Array(numbers), 'float8')
        // JSON has no negative zero.
        expect(read8).toEqual(numbers.map((n) => (n === 0 ? 0 : n)))
      },
    ),
    runs,
  ))

it('refuses what Postgres cannot hold', async () => {
  await expect(read(textArray(['a\0b']), 'text')).rejects.toMatchObject({ code: '22021' })
})
