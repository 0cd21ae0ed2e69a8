import { KilnError } from '../errors/index.ts'
import { type MigrationStatus, driftError, newerError } from './compare-ledger.ts'
import { compareVersions } from './load-migrations.ts'
import type { Migration } from './migration-file.ts'

type Pending = MigrationStatus & { readonly migration: Migration }

/**
 * What an `up` would run, in order.
 *
 * @throws KilnError SCHEMA_NEWER, MIGRATION_DRIFT, MIGRATION_OUT_OF_ORDER, MIGRATION_UNFINISHED.
 */
export function selectPending(
  statuses: readonly MigrationStatus[],
  options: { readonly to: Migration | undefined; readonly allowOutOfOrder: boolean | undefined },
): readonly Pending[] {
  const refusal = newerError(statuses) ?? driftError(statuses)
  if (refusal) throw refusal
  const reverting = statuses.find((status) => status.row?.state === 'reverting')
  if (reverting) {
    throw new KilnError(
      'MIGRATION_UNFINISHED',
      `reverting ${reverting.version}_${reverting.name} stopped half way`,
      { hint: 'finish it: kiln migrate down --steps 1 --yes' },
    )
  }
  const { to } = options
  const pending = statuses.filter(
    (status): status is Pending =>
      status.migration !== undefined &&
      (status.state === 'pending' || status.state === 'unfinished') &&
      (to === undefined || compareVersions(status.version, to.version) <= 0),
  )
  const newest = statuses.findLast((status) => status.state === 'applied')
  const late = pending.filter(
    (status) =>
      status.state === 'pending' && newest && compareVersions(status.version, newest.version) < 0,
  )
  if (newest && late.length > 0 && !options.allowOutOfOrder) {
    throw new KilnError(
      'MIGRATION_OUT_OF_ORDER',
      `${late.map((status) => `${status.version}_${status.name}`).join(', ')} would run after ${newest.version}_${newest.name}, which was written later and is applied: the result may differ from that of other databases`,
      {
        hint: 'give it a number above, or if the order does not matter: kiln migrate --allow-out-of-order',
      },
    )
  }
  return pending
}
