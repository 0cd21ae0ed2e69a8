import type { Context } from '../../context.ts'
import { type DatabaseHold, holdDatabase } from '../../jobs/index.ts'
import { lockForFiles } from '../postgres/restore-lock.ts'
import { type RestoreSession, withRestoreSession } from '../postgres/session.ts'

/** Only one restore of files at a time, also of other data folders. */
export async function withFilesLock<T>(
  context: Pick<Context, 'database' | 'signal'> & { readonly silenceLimitMs?: number | undefined },
  work: (session: RestoreSession) => Promise<T>,
): Promise<T> {
  return await withRestoreSession(context.database.target, context, async (session) => {
    await lockForFiles(session)
    return await work(session)
  })
}

/** Takes the writer's slot of each, in one order, so that two never wait for each other. */
export async function withHolds<T>(
  context: Context,
  databases: readonly { readonly projectId: string }[],
  waitMs: number,
  work: (holds: readonly DatabaseHold[]) => Promise<T>,
): Promise<T> {
  const { queries } = context.database
  const ids = databases.map(({ projectId }) => projectId).toSorted()
  if (ids.length > 0) {
    await queries
      .insertInto('projects')
      .values(ids.map((id) => ({ id, name: id })))
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }
  const holds: DatabaseHold[] = []
  try {
    for (const projectId of ids) {
      const purpose = 'kiln restore duckdb'
      holds.push(await holdDatabase(context, { projectId, use: 'write', purpose, waitMs }))
    }
    return await work(holds)
  } finally {
    // Void after a moment anyway.
    for (const hold of holds) await hold.release().catch(() => undefined)
  }
}
