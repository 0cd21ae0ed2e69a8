import { sql } from 'kysely'
import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { repeatedTransaction } from '../database/index.ts'
import { projectNotFound } from './get-project.ts'

/**
 * Sets how many jobs of a project run at a time; null for no limit. Triggers put its pending jobs
 * under it, at the commit; what runs goes on and counts. Safe to repeat.
 *
 * @throws KilnError PROJECT_NOT_FOUND.
 */
export async function setProjectLimit(
  { database, operator }: Pick<Context, 'database' | 'operator'>,
  id: string,
  maxConcurrent: number | null,
): Promise<void> {
  await repeatedTransaction(database.queries, async (transaction) => {
    const { rows } = await sql<{ maxConcurrent: number | null }>`
      select max_concurrent
      from projects
      where id = ${id}
      for no key update
    `.execute(transaction)
    const [before] = rows
    if (!before) throw projectNotFound(id)
    if (before.maxConcurrent === maxConcurrent) return
    await transaction.updateTable('projects').set({ maxConcurrent }).where('id', '=', id).execute()
    await recordAudit(transaction, operator, {
      action: 'project.set',
      targetType: 'project',
      targetId: id,
      before: { max_concurrent: before.maxConcurrent },
      after: { max_concurrent: maxConcurrent },
      details: { max_concurrent: maxConcurrent },
    })
  })
}
