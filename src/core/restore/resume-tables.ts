import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import { readDependents } from './postgres/dependents.ts'
import { type RestoreRecord, readRestores } from './postgres/restore-record.ts'
import { finishRestore, methodOf } from './postgres/restore-tables.ts'
import type { OnRestoreStep } from './progress.ts'
import { type RestoreTarget, withLockedTarget } from './restore-target.ts'
import { lastRestore } from './undo-restore.ts'

export type ResumedTables =
  /** It had ended already, or what it had checked is in its place now. */
  | { readonly kind: 'finished'; readonly record: RestoreRecord }
  /** Killed before all was loaded: it has to begin again. */
  | { readonly kind: 'again'; readonly record: RestoreRecord }

/**
 * Goes on with a restore that was killed. What was loaded and checked needs no second time.
 *
 * @throws KilnError RESTORE_NOT_FOUND.
 */
export async function resumeTables(
  context: Pick<Context, 'database' | 'signal' | 'operator'>,
  target: RestoreTarget,
  onStep?: OnRestoreStep,
): Promise<ResumedTables> {
  const last = await lastRestore(context, target)
  if (!last) {
    throw new KilnError('RESTORE_NOT_FOUND', 'there is no restore to resume', {
      hint: 'begin one: kiln restore postgres latest --confirm NAME',
    })
  }
  if (last.state === 'done') return { kind: 'finished', record: last }
  return await withLockedTarget(context, { target }, async (session) => {
    // Only now nobody else works on it.
    const record = (await readRestores(session)).find(({ id }) => id === last.id) ?? last
    if (record.state === 'done') return { kind: 'finished', record }
    // Rows that have no log are gone after a crash of the server; and somebody may have made a view.
    const method = methodOf(await readDependents(session))
    if (record.state !== 'staged' || record.method !== 'exchange' || method !== 'exchange') {
      return { kind: 'again', record }
    }
    const { id, source } = record
    await finishRestore(session, { id, source, operator: context.operator, onStep }, method)
    return { kind: 'finished', record: { ...record, state: 'done' } }
  })
}
