import { databaseError, openDatabase, resolveTarget } from '../../../database/index.ts'
import { checkSchema } from '../../../migrate/index.ts'
import { type Check, critical, ok, warning } from '../check.ts'

/** Below the time of the check, so that it says more than that its time was over. */
const connectTimeoutMs = 1500

export const readonlyUrlCheck: Check = {
  id: 'postgres.readonly-url',
  group: 'postgres',
  title: 'DATABASE_READONLY_URL leads to the tables of Kiln, and cannot write',
  needs: 'settings',
  look: async ({ settings }) => {
    if (settings.databaseReadonlyUrl === undefined) {
      return ok('DATABASE_READONLY_URL is not set: reading commands use DATABASE_URL')
    }
    try {
      const target = await resolveTarget(settings, { readsOnly: true })
      const database = openDatabase({
        target,
        applicationName: 'kiln doctor',
        poolSize: 1,
        connectTimeoutMs,
      })
      try {
        await checkSchema({ database })
        const { rows } = await database.pool.query<{ isStandby: boolean; mayWrite: boolean }>(`
          select pg_is_in_recovery() as "isStandby",
            has_table_privilege('analysis_jobs', 'INSERT, UPDATE, DELETE') as "mayWrite"
        `)
        const { isStandby = false, mayWrite = false } = rows[0] ?? {}
        if (isStandby) return ok(`${target.label} is a standby with the schema of this program`)
        return mayWrite
          ? warning(`${target.label}: the role may write`, {
              mend: 'give it select only, as docs/database.md does for kiln_viewer',
            })
          : ok(`${target.label}: the role reads and cannot write`)
      } finally {
        await database.close()
      }
    } catch (error) {
      const { message, hint } = databaseError(error)
      return critical(message, { mend: hint ?? 'correct DATABASE_READONLY_URL, or unset it' })
    }
  },
}
