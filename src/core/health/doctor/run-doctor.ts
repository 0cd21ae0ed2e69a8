import { sql } from 'kysely'
import { recordAudit } from '../../audit/index.ts'
import type { Settings, SettingsInput } from '../../config/index.ts'
import type { Context } from '../../context.ts'
import { databaseError } from '../../database/index.ts'
import { KilnError, messageOf } from '../../errors/index.ts'
import { systemClock } from '../../os/index.ts'
import { maskPasswords, nearNames } from '../../units/index.ts'
import { allChecks } from './all-checks.ts'
import { type Check, type CheckStatus, type Doctor, type Finding, skipped } from './check.ts'

/** A probe that hangs must not keep the others from telling. */
const checkLimitMs = 2000
/** Less than that, so that the server gives up first and says why. */
const statementLimitMs = 1800
/** Few at a time: they share a small pool, and measure a machine that may be in trouble. */
const atOnce = 4

export interface DoctorInput {
  /** Settings that the command line gives. */
  readonly flags?: SettingsInput['flags']
  /** Undefined with the reason when they cannot be read. */
  readonly settings: Settings | KilnError
  /** Undefined with the reason when it cannot be reached. */
  readonly context: Context | KilnError
  /** Ids or groups; all unless told. */
  readonly only?: readonly string[]
  /** Mend what can be mended safely, and look again. */
  readonly fix?: boolean
  readonly backupAgeMs: number
  readonly snapshotAgeMs: number
}

export interface CheckResult extends Omit<Finding, 'repair'> {
  readonly check: Check
  readonly durationMs: number
  /** True when `fix` mended it; `mend` says by what. */
  readonly isFixed: boolean
}

export interface DoctorReport {
  readonly results: readonly CheckResult[]
  /** The worst of all; `skipped` counts as ok, and as nothing known when everything was. */
  readonly status: CheckStatus
}

/**
 * Looks at everything Kiln rests on, each check by itself: what fails or hangs in one is that one's
 * answer. Changes nothing without `fix`.
 *
 * @throws KilnError USAGE for an id or group that is none.
 */
export async function runDoctor(input: DoctorInput): Promise<DoctorReport> {
  const checks = chooseChecks(input.only ?? [])
  const results: CheckResult[] = []
  const waiting = checks.entries()
  const work = async (): Promise<void> => {
    for (const [index, check] of waiting) results[index] = await perform(check, input)
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  const statuses = results.map(({ status }) => status)
  const worst = (['critical', 'warning', 'ok'] as const).find((one) => statuses.includes(one))
  return { results, status: worst ?? 'skipped' }
}

export function chooseChecks(only: readonly string[]): readonly Check[] {
  if (only.length === 0) return allChecks
  const words = allChecks.flatMap(({ id, group }) => [id, group])
  const unknown = only.find((word) => !words.includes(word))
  if (unknown !== undefined) {
    const near = nearNames(unknown, [...new Set(words)])
    throw new KilnError('USAGE', `there is no check or group ${JSON.stringify(unknown)}`, {
      hint: near.length > 0 ? `did you mean ${near.join(' or ')}?` : 'run: kiln doctor --list',
    })
  }
  return allChecks.filter(({ id, group }) => only.includes(id) || only.includes(group))
}

async function perform(check: Check, input: DoctorInput): Promise<CheckResult> {
  const startedAt = systemClock.monotonic()
  let finding = await look(check, input)
  let isFixed = false
  if (input.fix && finding.repair && !(input.context instanceof KilnError)) {
    const before = finding
    finding = await repair(check, input, input.context, finding)
    isFixed = finding !== before && finding.status === 'ok'
  }
  const { repair: _, ...shown } = finding
  return { ...shown, check, isFixed, durationMs: Math.round(systemClock.monotonic() - startedAt) }
}

/** Mends, and looks again: what counts is what is so afterwards. */
async function repair(
  check: Check,
  input: DoctorInput,
  context: Context,
  finding: Finding,
): Promise<Finding> {
  try {
    await finding.repair?.()
    await recordAudit(context.database.queries, context.operator, {
      action: 'doctor.fix',
      targetType: 'check',
      targetId: check.id,
      details: { fact: finding.fact },
    })
  } catch (error) {
    return { ...finding, fact: `${finding.fact}; mending it failed: ${messageOf(error)}` }
  }
  return look(check, input)
}

async function look(check: Check, input: DoctorInput): Promise<Finding> {
  const { settings, context } = input
  if (check.needs !== 'nothing' && settings instanceof KilnError) {
    return skipped('the settings cannot be read')
  }
  if (check.needs === 'database' && context instanceof KilnError) {
    return skipped('the database cannot be reached')
  }
  const doctor = doctorOf(input)
  const limitMs = check.limitMs ?? checkLimitMs
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Finding>((resolve) => {
    timer = setTimeout(() => resolve(skipped(`no answer within ${limitMs / 1000} s`)), limitMs)
  })
  try {
    const found = await Promise.race([Promise.resolve().then(() => check.look(doctor)), late])
    // A fact repeats settings, and the words of servers.
    return { ...found, fact: maskPasswords(found.fact) }
  } catch (error) {
    return findingOf(error)
  } finally {
    clearTimeout(timer)
  }
}

/** A check that fails has found out nothing, whatever it was about. */
function findingOf(error: unknown): Finding {
  const { code, message: raw } = databaseError(error)
  const message = maskPasswords(raw)
  if (code === 'PERMISSION_DENIED') return skipped(`no right to look: ${message}`)
  return skipped(`cannot look: ${message}`)
}

/** Getters, so that a check that needs nothing gets by without. */
function doctorOf({ settings, context, flags = {}, ...limits }: DoctorInput): Doctor {
  const known = <T>(value: T | KilnError): T => {
    if (value instanceof KilnError) throw value
    return value
  }
  return {
    flags,
    backupAgeMs: limits.backupAgeMs,
    snapshotAgeMs: limits.snapshotAgeMs,
    get settings() {
      return known(settings)
    },
    get context() {
      return known(context)
    },
    ask: (work) =>
      known(context)
        .database.queries.transaction()
        .setAccessMode('read only')
        .execute(async (transaction) => {
          await sql`
            select set_config('statement_timeout', ${String(statementLimitMs)}, true),
              set_config('lock_timeout', '500', true)
          `.execute(transaction)
          return work(transaction)
        }),
  }
}
