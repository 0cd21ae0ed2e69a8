import type { Settings, SettingsInput } from '../../config/index.ts'
import type { Context } from '../../context.ts'
import type { Queries } from '../../database/index.ts'

export const checkGroups = [
  'environment',
  'settings',
  'postgres',
  'queue',
  'schedules',
  'results',
  'duckdb',
  'sandbox',
  'backups',
  'disk',
] as const
export type CheckGroup = (typeof checkGroups)[number]

/** `skipped`: it could not look, and that is not the same as nothing found. */
export type CheckStatus = 'ok' | 'warning' | 'critical' | 'skipped'

/** What one check found. */
export interface Finding {
  readonly status: CheckStatus
  /** What is so, with its figures. */
  readonly fact: string
  /** From where on it is no longer ok. */
  readonly threshold?: string
  /** The command, or the sentence, that mends it. */
  readonly mend?: string
  /** Where mending loses nothing and can be repeated; done for `--fix` only. */
  readonly repair?: Repair
}

export type Repair =
  | { readonly kind: 'files'; readonly run: () => Promise<void> | void }
  /** In the transaction of its row in the audit log; false when there was nothing to change. */
  | { readonly kind: 'rows'; readonly run: (transaction: Queries) => Promise<boolean> }

/** What checks look with. The database is the last thing to be sure of. */
export interface Doctor {
  /** Settings that the command line gives. */
  readonly flags: NonNullable<SettingsInput['flags']>
  readonly settings: Settings
  readonly context: Context
  /** A read-only transaction in which no statement takes longer than a check may. */
  ask<T>(work: (queries: Queries) => Promise<T>): Promise<T>
  /** Newest verified backup may be so old. */
  readonly backupAgeMs: number
  /** Transactions may be so old before they are told of. */
  readonly snapshotAgeMs: number
}

export interface Check {
  /** `group.name`, stable. */
  readonly id: string
  readonly group: CheckGroup
  /** What it makes sure of, as a statement. */
  readonly title: string
  /**
   * What it cannot do without: the settings, or the settings and the database. `connection`: the
   * database too, and it tells itself why there is none.
   */
  readonly needs: 'nothing' | 'settings' | 'database' | 'connection'
  /** 2 s unless a process has to be started. */
  readonly limitMs?: number
  readonly look: (doctor: Doctor) => Promise<Finding> | Finding
}

export const ok = (fact: string, threshold?: string): Finding => ({
  status: 'ok',
  fact,
  ...(threshold === undefined ? {} : { threshold }),
})

export const skipped = (fact: string, rest: Pick<Finding, 'threshold' | 'mend'> = {}): Finding => ({
  status: 'skipped',
  fact,
  ...rest,
})

export const warning = (fact: string, rest: Omit<Finding, 'status' | 'fact'> = {}): Finding => ({
  status: 'warning',
  fact,
  ...rest,
})

export const critical = (fact: string, rest: Omit<Finding, 'status' | 'fact'> = {}): Finding => ({
  status: 'critical',
  fact,
  ...rest,
})

/** The finding of a figure that is better small. */
export function judge(
  figure: number,
  limits: { readonly warning: number; readonly critical?: number },
  rest: Pick<Finding, 'mend' | 'repair'> & { readonly fact: string; readonly threshold: string },
): Finding {
  const { fact, threshold, ...remedy } = rest
  if (figure >= (limits.critical ?? Number.POSITIVE_INFINITY)) {
    return critical(fact, { threshold, ...remedy })
  }
  if (figure >= limits.warning) return warning(fact, { threshold, ...remedy })
  return ok(fact, threshold)
}
