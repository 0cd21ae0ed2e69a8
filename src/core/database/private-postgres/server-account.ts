import { stat } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { KilnError, errorCodeOf } from '../../errors/index.ts'
import { type Account, fileError, findAccount, isRoot } from '../../os/index.ts'

/**
 * The account that runs the server: undefined for our own. Postgres refuses root, so root uses the
 * owner of the existing cluster, else `postgres`, else `nobody`. It must be in the list of
 * accounts, since initdb looks its name up.
 *
 * @throws KilnError PERMISSION_DENIED, PRIVATE_POSTGRES_FAILED.
 */
export async function serverAccount(pgdata: string): Promise<Account | undefined> {
  const owner = await ownerOf(pgdata)
  if (!isRoot()) {
    requireName()
    return undefined
  }
  if (owner !== undefined) {
    const account = owner === 0 ? undefined : await findAccount(owner)
    if (account) return account
    throw new KilnError(
      'PERMISSION_DENIED',
      `the private Postgres in ${pgdata} belongs to uid ${owner}, as which root cannot run it`,
      { hint: 'run the command as the user who ran the first one there, or set DATABASE_URL' },
    )
  }
  const account = (await findAccount('postgres')) ?? (await findAccount('nobody'))
  if (account) return account
  throw new KilnError(
    'PRIVATE_POSTGRES_FAILED',
    'Postgres does not run as root, and /etc/passwd has neither postgres nor nobody',
    { hint: 'run Kiln as another user, or set DATABASE_URL' },
  )
}

async function ownerOf(pgdata: string): Promise<number | undefined> {
  try {
    return (await stat(pgdata)).uid
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined
    throw fileError(error, pgdata)
  }
}

/** A container may run under a bare uid, which Postgres refuses with a riddle. */
function requireName(): void {
  try {
    userInfo()
  } catch (error) {
    throw new KilnError(
      'PRIVATE_POSTGRES_FAILED',
      `Postgres needs an account with a name, and uid ${process.geteuid?.() ?? 'of this process'} has none`,
      { hint: 'add the uid to /etc/passwd, or set DATABASE_URL', cause: error },
    )
  }
}
