import type { SettingsInput } from '../core/config/index.ts'

/** The global flags that stand for settings, as `loadSettings` and its like take them. */
export function settingFlags(given: {
  readonly 'database-url'?: string | undefined
  readonly 'log-level'?: string | undefined
}): NonNullable<SettingsInput['flags']> {
  const { 'database-url': databaseUrl, 'log-level': logLevel } = given
  return {
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...(logLevel === undefined ? {} : { logLevel }),
  }
}
