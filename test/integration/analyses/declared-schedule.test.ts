/** The schedule that a script declares, from its creation on. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  createAnalysis,
  getAnalysis,
  storeDefinition,
  updateAnalysis,
} from '../../../src/core/analyses/index.ts'
import { validateInspection } from '../../../src/core/analyses/inspect-script.ts'
import {
  deleteSchedule,
  disableSchedule,
  enableSchedule,
  triggerSchedule,
} from '../../../src/core/schedules/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { declaredInspect, declaring } from '../../support/declared-inspect.ts'
import { insertAnalysis } from '../../support/queue.ts'
import { insertSchedule } from '../../support/schedules.ts'

let core: TestContext
beforeAll(async () => {
  core = await openTestContext()
})
afterAll(() => core.close())
beforeEach(() => core.context.database.pool.query('truncate projects cascade'))

const daily = { cron: '0 6 * * *', timezone: 'Europe/Berlin' }
const pool = () => core.context.database.pool

async function create(declared: Readonly<Record<string, unknown>>): Promise<string> {
  const file = declaring({ title: 'Delays', ...declared })
  const input = { file, projectId: 'default' }
  return (await createAnalysis(core.context, input, declaredInspect)).analysis.id
}

const update = (idOrName: string, declared: Readonly<Record<string, unknown>>) =>
  updateAnalysis(
    core.context,
    { reference: { idOrName }, file: declaring({ title: 'Delays', ...declared }) },
    declaredInspect,
  )

async function rules(): Promise<string[]> {
  const { rows } = await pool().query<Record<string, unknown>>(
    'select * from analysis_schedules order by origin, created_at',
  )
  return rows.map((row) =>
    [row.origin, row.cron_expression, row.timezone, row.enabled ? 'on' : 'off'].join(' '),
  )
}

describe('a declared schedule', () => {
  it('becomes a row, and follows the script', async () => {
    const id = await create({ schedule: daily })
    expect(await rules()).toEqual(['script 0 6 * * * Europe/Berlin on'])
    await update(id, { schedule: { cron: '0 7 * * *', enabled: false } })
    expect(await rules()).toEqual(['script 0 7 * * * UTC off'])
  })

  it('stays as an operator edited it until the script declares another', async () => {
    const id = await create({ schedule: daily })
    await pool().query(`update analysis_schedules set cron_expression = '0 9 * * *'`)
    await update(id, { schedule: daily, description: 'another version' })
    expect(await rules()).toEqual(['script 0 9 * * * Europe/Berlin on'])
    await update(id, { schedule: { ...daily, cron: '0 7 * * *' } })
    expect(await rules()).toEqual(['script 0 7 * * * Europe/Berlin on'])
  })

  it('stays deleted until the script declares another', async () => {
    const id = await create({ schedule: daily })
    await deleteSchedule(core.context, { reference: id })
    await update(id, { schedule: daily, description: 'another version' })
    expect(await rules()).toEqual([])
    await update(id, { schedule: { ...daily, cron: '0 7 * * *' } })
    expect(await rules()).toEqual(['script 0 7 * * * Europe/Berlin on'])
  })

  it('is switched off by a script that declares none any more, and on by one that does', async () => {
    const id = await create({ schedule: daily })
    await update(id, {})
    expect(await rules()).toEqual(['script 0 6 * * * Europe/Berlin off'])
    await update(id, { schedule: daily })
    expect(await rules()).toEqual(['script 0 6 * * * Europe/Berlin on'])
  })

  it('leaves a row in the audit log for each change, from its first state to its last', async () => {
    await pool().query('truncate analysis_audit_log')
    const id = await create({ schedule: daily })
    await disableSchedule(core.context, { reference: id }, { reason: undefined })
    await enableSchedule(core.context, { reference: id }, { catchUp: false })
    await triggerSchedule(core.context, { reference: id })
    await update(id, { schedule: daily, description: 'declares the same' })
    await update(id, { schedule: { ...daily, cron: '0 7 * * *' } })
    await update(id, {})
    await deleteSchedule(core.context, { reference: id })
    const { rows } = await pool().query<{ action: string; before: string; after: string }>(
      `select action, target_name, before_hash as before, after_hash as after
       from analysis_audit_log
       where target_type = 'schedule'
       order by id`,
    )
    expect(rows.map(({ action }) => action)).toEqual([
      'schedule.set',
      'schedule.disable',
      'schedule.enable',
      'schedule.trigger',
      'schedule.set',
      'schedule.disable',
      'schedule.delete',
    ])
    expect(rows.map(({ before }) => before)).toEqual([
      null,
      ...rows.slice(0, -1).map(({ after }) => after),
    ])
    const [on, off, onAgain, triggered, edited, undeclared, deleted] = rows.map(
      ({ after }) => after,
    )
    expect([onAgain, triggered, deleted]).toEqual([on, on, null])
    expect(new Set([on, off, edited, undeclared]).size).toBe(4)
    const [first] = rows
    expect(first).toMatchObject({ target_name: 'default/delays' })
  })

  it('leaves the schedules of operators alone', async () => {
    const id = await create({})
    await insertSchedule(pool(), id)
    await update(id, { schedule: daily })
    expect(await rules()).toEqual([
      'operator 0 6 * * * UTC on',
      'script 0 6 * * * Europe/Berlin on',
    ])
  })

  it('that cannot be followed is refused with the reason', async () => {
    await expect(create({ schedule: '0 0 31 2 *' })).rejects.toMatchObject({
      code: 'ANALYSIS_INVALID',
      message: expect.stringContaining('it never fires'),
    })
    const { rows } = await pool().query('select id from analyses')
    expect(rows).toEqual([])
  })

  it('of a script that came by SQL becomes a row when the script is first read', async () => {
    const source = JSON.stringify({ schedule: daily })
    const id = await insertAnalysis(pool(), source)
    const { version } = await getAnalysis(core.context, { idOrName: id })
    const script = { source, filename: 'test.js', language: 'javascript' } as const
    const read = await validateInspection(await declaredInspect(script))
    if (read.status !== 'valid') throw new Error('the script is refused')
    await storeDefinition(core.context, id, version, { definition: read.definition })
    await storeDefinition(core.context, id, version, { definition: read.definition })
    expect(await rules()).toEqual(['script 0 6 * * * Europe/Berlin on'])
    const { rows } = await pool().query('select from analysis_audit_log where target_id = $1', [id])
    expect(rows).toEqual([])
  })
})
