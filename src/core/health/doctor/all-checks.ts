import type { Check } from './check.ts'
import { backupChecks } from './checks/backups.ts'
import { diskChecks } from './checks/disk.ts'
import { duckdbChecks } from './checks/duckdb.ts'
import { environmentChecks } from './checks/environment.ts'
import { loadChecks } from './checks/postgres-load.ts'
import { serverChecks } from './checks/postgres-server.ts'
import { sessionChecks } from './checks/postgres-sessions.ts'
import { readonlyUrlCheck } from './checks/readonly-url.ts'
import { queueChecks } from './checks/queue.ts'
import { resultChecks } from './checks/results.ts'
import { sandboxChecks } from './checks/sandbox.ts'
import { scheduleChecks } from './checks/schedules.ts'
import { settingsChecks } from './checks/settings.ts'

/** Every check, in the order in which they are told; those that start processes come last. */
export const allChecks: readonly Check[] = [
  ...environmentChecks,
  ...settingsChecks,
  ...serverChecks,
  readonlyUrlCheck,
  ...sessionChecks,
  ...loadChecks,
  ...queueChecks,
  ...scheduleChecks,
  ...resultChecks,
  ...backupChecks,
  ...diskChecks,
  ...duckdbChecks,
  ...sandboxChecks,
]
