import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { recordAudit, sealAudit, verifyAudit } from '../../../src/core/audit/index.ts'
import { openDatabase } from '../../../src/core/database/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())
beforeEach(async () => {
  await sql('truncate analysis_audit_log, analysis_audit_head restart identity')
})

const sql = async (text: string) =>
  (await test.context.database.pool.query<Record<string, unknown>>(text)).rows
const queries = () => test.context.database.queries

/** Rows 1 to `count`. */
async function record(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await recordAudit(queries(), test.context.operator, {
      action: 'analysis.update',
      targetType: 'analysis',
      targetId: 'x',
      targetName: 'ü"\\\n',
      before: { index },
      details: { index, nested: { b: 1, a: [null, 1.5] } },
    })
  }
}

const kinds = async () => (await verifyAudit(queries())).findings.map(({ kind, id }) => [kind, id])

it('tells sealed rows from unsealed ones', async () => {
  expect(await verifyAudit(queries())).toMatchObject({ sealed: 0, unsealed: 0, findings: [] })
  await record(3)
  expect(await verifyAudit(queries())).toMatchObject({ sealed: 0, unsealed: 3, lastSealedId: null })
  expect(await sealAudit(queries())).toBe(3)
  await record(2)
  expect(await verifyAudit(queries())).toMatchObject({
    sealed: 3,
    unsealed: 2,
    lastSealedId: 3,
    findings: [],
  })
  expect(await sealAudit(queries())).toBe(2)
  expect(await sealAudit(queries())).toBe(0)
  expect(await kinds()).toEqual([])
})

it('seals many in several transactions', async () => {
  await sql(
    `insert into analysis_audit_log (actor, action, target_type, target_id, source)
     select 'x', 'a.b', 't', i::text, 'cli' from generate_series(1, 2500) i`,
  )
  expect(await sealAudit(queries())).toBe(2500)
  expect(await verifyAudit(queries())).toMatchObject({ sealed: 2500, findings: [] })
})

it('gives the same hashes whatever the session is set to', async () => {
  await record(1)
  await sealAudit(queries())
  const other = openDatabase({
    target: {
      ...test.context.database.target,
      config: {
        connectionString: test.database.connectionString,
        options: '-c timezone=Asia/Kathmandu -c datestyle=German',
      },
    },
    applicationName: 'kiln test',
    poolSize: 1,
  })
  try {
    expect((await verifyAudit(other.queries)).findings).toEqual([])
  } finally {
    await other.close()
  }
})

describe.each([
  [`update analysis_audit_log set actor = 'mallory' where id = 2`, ['changed', 2]],
  [`update analysis_audit_log set details = '{}' where id = 2`, ['changed', 2]],
  [
    `update analysis_audit_log set occurred_at = occurred_at + interval '1 microsecond' where id = 2`,
    ['changed', 2],
  ],
  ['delete from analysis_audit_log where id = 2', ['missing', 3]],
  ['delete from analysis_audit_log where id = 1', ['missing', 2]],
  ['delete from analysis_audit_log where id = 4', ['cut_off', 4]],
  ['delete from analysis_audit_log', ['cut_off', 4]],
  ['delete from analysis_audit_head', ['cut_off', 4]],
  ['delete from analysis_audit_log where id = 4; delete from analysis_audit_head', ['cut_off', 3]],
  [
    `update analysis_audit_log set host = 'x' where id = 2; delete from analysis_audit_log where id = 4`,
    ['cut_off', 4],
  ],
  [
    `insert into analysis_audit_log (id, actor, action, target_type, target_id, source)
     overriding system value values (-3, 'x', 'a.b', 't', '1', 'cli')`,
    ['unsealed', -3],
  ],
  ['update analysis_audit_log set hash = null, previous_hash = null where id = 4', ['unsealed', 4]],
])('after %s', (change, finding) => {
  it('finds it, also when more rows were sealed since', async () => {
    await record(4)
    await sealAudit(queries())
    await sql(change)
    expect(await kinds()).toContainEqual(finding)
    await record(2)
    await sealAudit(queries())
    expect(await kinds()).not.toEqual([])
  })
})

describe('by a seal that was kept elsewhere', () => {
  /** Of row 3, when there are 4. */
  async function keepSeal() {
    await record(3)
    await sealAudit(queries())
    const { lastSealedId, lastHash } = await verifyAudit(queries())
    await record(1)
    await sealAudit(queries())
    return { id: lastSealedId ?? 0, hash: lastHash ?? '' }
  }
  const findings = async (seal: Awaited<ReturnType<typeof keepSeal>>) =>
    (await verifyAudit(queries(), seal)).findings.map(({ kind, id }) => [kind, id])

  it('finds nothing in the chain that goes through it', async () => {
    expect(await findings(await keepSeal())).toEqual([])
  })

  it('finds that the log was emptied, whatever was sealed since', async () => {
    const seal = await keepSeal()
    await sql('truncate analysis_audit_log, analysis_audit_head restart identity')
    expect(await kinds()).toEqual([])
    expect(await findings(seal)).toEqual([['replaced', 3]])
    await record(4)
    await sealAudit(queries())
    expect(await kinds()).toEqual([])
    expect(await findings(seal)).toEqual([['replaced', 3]])
  })

  it('finds that all was computed anew', async () => {
    const seal = await keepSeal()
    await sql(
      `update analysis_audit_log set actor = 'mallory' where id = 1;
       update analysis_audit_log set hash = null, previous_hash = null;
       truncate analysis_audit_head`,
    )
    await sealAudit(queries())
    expect(await kinds()).toEqual([])
    expect(await findings(seal)).toEqual([['replaced', 3]])
  })

  it('finds that a row before it was changed, though its own seal is there', async () => {
    const seal = await keepSeal()
    await sql(`update analysis_audit_log set actor = 'mallory' where id = 1`)
    expect(await findings(seal)).toEqual([['changed', 1]])
  })
})

it('finds a row that was put in between', async () => {
  await record(2)
  await sql(`select setval('analysis_audit_log_id_seq', 10)`)
  await record(1)
  await sealAudit(queries())
  await sql(
    `insert into analysis_audit_log (id, actor, action, target_type, target_id, source)
     overriding system value values (5, 'x', 'a.b', 't', '1', 'cli')`,
  )
  expect(await kinds()).toEqual([['unsealed', 5]])
  expect(await sealAudit(queries())).toBe(0)
})

it('seals nothing before a row whose transaction has not ended, nor beside another', async () => {
  const client = await test.context.database.pool.connect()
  try {
    await client.query('begin')
    await client.query(
      `insert into analysis_audit_log (actor, action, target_type, target_id, source)
       values ('slow', 'a.b', 't', '1', 'cli')`,
    )
    await record(1)
    expect(await sealAudit(queries())).toBe(0)
    await client.query('commit')
    await client.query(`begin; select pg_advisory_xact_lock(hashtext('kiln_audit'), 0)`)
    expect(await sealAudit(queries())).toBe(0)
    await client.query('rollback')
  } finally {
    client.release(true)
  }
  expect(await sealAudit(queries())).toBe(2)
  expect(await kinds()).toEqual([])
})
