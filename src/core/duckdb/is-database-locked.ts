import { isKilnError } from '../errors/index.ts'

/** True when a database could not be opened because another process has it open. */
export function isDatabaseLocked(error: unknown): boolean {
  return isKilnError(error, 'DATASOURCE_ERROR') && /could not set lock/i.test(error.message)
}
