import { KilnError } from '../errors/index.ts'
import type { WallStats } from '../sandbox/index.ts'

/**
 * Refuses to work where nothing but our own account stands around a script that breaks out of its
 * isolate.
 *
 * @throws KilnError ISOLATION_MISSING, saying what is missing.
 */
export function requireIsolation({ account, view }: WallStats): void {
  if (account.kind === 'own' || view.kind === 'bwrap' || view.kind === 'unshare') return
  throw new KilnError(
    'ISOLATION_MISSING',
    `no isolation on this host: ${account.reason ?? 'no own account'}; ${view.reason ?? 'no own view'}`,
    { hint: 'run kiln sandbox check to see which layers could be had, and how' },
  )
}
