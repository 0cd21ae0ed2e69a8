import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { ConnectionTarget } from '../database/index.ts'
import { type LockHolder, instantSql } from './schema-lock.ts'
import { openClient } from './session.ts'

export interface BlockerWatch {
  /** The sessions last seen in the way. */
  seen(): readonly LockHolder[]
  stop(): Promise<void>
}

/** Below the least lock_timeout, so that a wait that ends by it has been seen. */
const intervalMs = 400

/**
 * Looks from a second connection at who blocks a session: after a lock timeout the server no
 * longer knows. Opens that connection only when the session's work takes longer than a moment.
 */
export function watchBlockers(target: ConnectionTarget, pid: number): BlockerWatch {
  const stopping = new AbortController()
  let last: readonly LockHolder[] = []
  const watch = async (): Promise<void> => {
    let client: pg.Client | undefined
    try {
      for (;;) {
        await sleep(intervalMs, undefined, { signal: stopping.signal })
        client ??= await openClient(target, 'kiln migrate (watch)')
        const blockers = await blockersOf(client, pid)
        if (blockers.length > 0) last = blockers
      }
    } catch {
      // Stopped, or no connection is free: then the error names no blockers.
    } finally {
      await client?.end().catch(() => undefined)
    }
  }
  const watching = watch()
  return {
    seen: () => last,
    stop: () => {
      stopping.abort()
      return watching
    },
  }
}

async function blockersOf(client: pg.Client, pid: number): Promise<readonly LockHolder[]> {
  const { rows } = await client.query<LockHolder>(
    `select
       blocker.pid,
       nullif(a.application_name, '') as "applicationName",
       coalesce(host(a.client_addr), case when a.client_port = -1 then 'local socket' end)
         as "clientAddress",
       ${instantSql('coalesce(a.xact_start, a.backend_start)')} as since
     from (select distinct unnest(pg_blocking_pids($1)) as pid) blocker
     left join pg_stat_activity a on a.pid = blocker.pid
     order by blocker.pid`,
    [pid],
  )
  return rows
}
