import { sql } from 'kysely'
import { type AuditEntry, recordAudit } from '../../audit/index.ts'
import type { Settings, SettingsInput } from '../../config/index.ts'
import type { Context } from '../../context.ts'
import { databaseError } from '../../database/index.ts'
import { KilnError, messageOf } from '../../errors/index.ts'
import { systemClock } from '../../os/index.ts'
import { maskPasswords, nearNames } from '../../units/index.ts'
import { allChecks } from './all-checks.ts'
import {
  type Check,
  type CheckStatus,
  type Doctor,
  type Finding,
  type Repair,
  skipped,
} from './check.ts'

/** A probe that hangs must not keep the others from telling. */
const checkLimitMs = 2000
/** Less than that, so that the server gives up first and says why. */
const statementLimitMs = 1800
/** Few at a time: they share a small pool, and measure a machine that may be in trouble. */
const atOnce = 4

export interface DoctorInput {
  /** Settings that the command line gives. */
  readonly flags?: SettingsInput['flags']
  /** Or the reason why they cannot be read. */
  readonly settings: Settings | KilnError
  /**
   * Opens the database; rejects with the reason when it cannot be reached. Called once, and not before
   * a check or a repair needs it.
   */
  readonly openContext: () => Promise<Context>
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
  const visit = new Visit(input)
  const work = async (): Promise<void> => {
    for (const [index, check] of waiting) results[index] = await visit.perform(check)
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

/** One run: what its checks share. */
class Visit {
  private readonly input: DoctorInput
  private context: Promise<Context | KilnError> | undefined

  constructor(input: DoctorInput) {
    this.input = input
  }

  async perform(check: Check): Promise<CheckResult> {
    const startedAt = systemClock.monotonic()
    let finding = await this.look(check)
    let isFixed = false
    if (this.input.fix && finding.repair) {
      const before = finding
      finding = await this.mend(check, finding, finding.repair)
      isFixed = finding !== before && finding.status === 'ok'
    }
    const { repair: _, ...shown } = finding
    return { ...shown, check, isFixed, durationMs: Math.round(systemClock.monotonic() - startedAt) }
  }

  /** Mends, and looks again: what counts is what is so afterwards. */
  private async mend(check: Check, finding: Finding, repair: Repair): Promise<Finding> {
    const entry: AuditEntry = {
      action: 'doctor.fix',
      targetType: 'check',
      targetId: check.id,
      details: { fact: finding.fact },
    }
    try {
      if (repair.kind === 'files') await repair.run()
      else await this.mendRows(repair, entry)
    } catch (error) {
      return { ...finding, fact: `${finding.fact}; mending it failed: ${messageOf(error)}` }
    }
    const problem = repair.kind === 'files' ? await this.auditProblem(entry) : undefined
    const after = await this.look(check)
    if (problem === undefined) return after
    return { ...after, fact: `${after.fact}; mended, and not in the audit log: ${problem}` }
  }

  private async mendRows(
    repair: Extract<Repair, { readonly kind: 'rows' }>,
    entry: AuditEntry,
  ): Promise<void> {
    const { database, operator } = known(await this.opened())
    await database.queries.transaction().execute(async (transaction) => {
      if (await repair.run(transaction)) await recordAudit(transaction, operator, entry)
    })
  }

  /** What lies open to others is closed also where no log can be told of it. */
  private async auditProblem(entry: AuditEntry): Promise<string | undefined> {
    try {
      const { database, operator } = known(await this.opened())
      await recordAudit(database.queries, operator, entry)
      return undefined
    } catch (error) {
      return messageOf(error)
    }
  }

  private async look(check: Check): Promise<Finding> {
    const { settings } = this.input
    const isBlind = settings instanceof KilnError
    if (isBlind && (check.needs === 'settings' || check.needs === 'database')) {
      return skipped('the settings cannot be read')
    }
    const needsDatabase = check.needs === 'database' || check.needs === 'connection'
    const context = needsDatabase ? await this.opened() : notAsked
    if (check.needs === 'database' && context instanceof KilnError) {
      return skipped('the database cannot be reached')
    }
    const doctor = this.doctorWith(context)
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

  private opened(): Promise<Context | KilnError> {
    return (this.context ??= this.input
      .openContext()
      .catch((error: unknown) => databaseError(error)))
  }

  /** Getters, so that a check that needs nothing gets by without. */
  private doctorWith(context: Context | KilnError): Doctor {
    const { settings, flags = {}, backupAgeMs, snapshotAgeMs } = this.input
    return {
      flags,
      backupAgeMs,
      snapshotAgeMs,
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
}

const notAsked = new KilnError('INTERNAL', 'a check uses the database and does not say so')

function known<T>(value: T | KilnError): T {
  if (value instanceof KilnError) throw value
  return value
}

/** A check that fails has found out nothing, whatever it was about. */
function findingOf(error: unknown): Finding {
  const { code, message: raw } = databaseError(error)
  const message = maskPasswords(raw)
  if (code === 'PERMISSION_DENIED') return skipped(`no right to look: ${message}`)
  return skipped(`cannot look: ${message}`)
}
