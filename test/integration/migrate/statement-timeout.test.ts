import { afterEach, beforeEach, expect, test } from 'vitest'
import { applyMigration } from '../../../src/core/migrate/apply-migration.ts'
import { ledgerDefinition } from '../../../src/core/migrate/ledger.ts'
import { loadMigrations } from '../../../src/core/migrate/load-migrations.ts'
import { defaultLockPolicy } from '../../../src/core/migrate/progress.ts'
import { type Session, withSession } from '../../../src/core/migrate/session.ts'
import { type Fixture, createFixture, file } from './fixture.ts'

let fixture: Fixture
beforeEach(async () => {
  fixture = await createFixture()
})
afterEach(() => fixture.remove())

/**
 * A session of a server so busy that the ledger's statements take long, and the first ones that lift
 * a timeout do too.
 */
function busy(session: Session, slowStatements: number): Session {
  let left = slowStatements
  return {
    ...session,
    async query(sql, values) {
      if (sql.includes('insert into')) await session.query('select pg_sleep(0.05)')
      if (!sql.includes('statement_timeout') || left === 0) return session.query(sql, values)
      left -= 1
      return session.query(`select pg_sleep(0.05); ${sql}`)
    },
  }
}

test.each([1, 3])(
  'a timeout that cancels what lifts it, %i times, is lifted all the same',
  async (slowStatements) => {
    await fixture.write({
      '0001_set.sql': file(`create table first (); set statement_timeout = '1ms';`),
      '0002_use.sql': file('create table second (); select pg_sleep(0.05);'),
    })
    await withSession(fixture.context, {}, async (session) => {
      await session.query(ledgerDefinition(session.ledger))
      for (const migration of await loadMigrations(fixture.folder)) {
        await applyMigration({
          session: busy(session, slowStatements),
          migration,
          row: undefined,
          policy: { ...defaultLockPolicy, pauseMs: 1 },
          onProgress: undefined,
        })
      }
    })
    expect(await fixture.rows('select version from kiln_migrations order by 1')).toEqual([
      { version: '0001' },
      { version: '0002' },
    ])
    expect(await fixture.rows(`select to_regclass('second')::text as name`)).toEqual([
      { name: 'second' },
    ])
  },
)
