import { type Confiner, findConfiner, takeAccount } from '../confine/index.ts'
import { type DataFolder, isOpenToOthers } from '../os/index.ts'
import type { WallStats } from '../sandbox/index.ts'

/** Under which account and in which view the DuckDB process of one job runs. */
export interface DuckdbWalls {
  readonly uid?: number
  readonly confiner?: Confiner
}

/**
 * The walls that sandboxes have here. An account of its own only where it can reach the job's
 * folder and every attached file: those are read where they lie, since a copy of a database in use
 * may be torn. The caller frees the account. A job with its project's database has the account that
 * owns it: `owner` gives the file to it, or to ours.
 */
export async function duckdbWalls(
  walls: WallStats,
  data: Pick<DataFolder, 'path'>,
  attached: readonly string[],
  owner?: (hasOwnAccount: boolean) => Promise<number | undefined>,
): Promise<DuckdbWalls> {
  const { account, view } = walls
  const isNamed = view.kind === 'bwrap' || view.kind === 'unshare'
  const confiner = isNamed ? await findConfiner(view.kind) : undefined
  const hasOwnAccount = account.kind === 'own' && (await isReachable(data, attached))
  const uid = owner ? await owner(hasOwnAccount) : hasOwnAccount ? takeAccount() : undefined
  return {
    ...(uid === undefined ? {} : { uid }),
    ...(confiner ? { confiner } : {}),
  }
}

async function isReachable(
  data: Pick<DataFolder, 'path'>,
  attached: readonly string[],
): Promise<boolean> {
  if (!(await isOpenToOthers(data.path, 'enter'))) return false
  const files = await Promise.all(attached.map((file) => isOpenToOthers(file, 'read')))
  return files.every(Boolean)
}
