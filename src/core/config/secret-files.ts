import { type SettingsInput, environmentLayers } from './load-settings.ts'
import type { SettingDefinition } from './setting-parsers.ts'
import { settingAliases, settingTable } from './setting-table.ts'

/** Files named by `NAME_FILE` for settings that are secret, whether or not they win. */
export function secretFiles(input: Omit<SettingsInput, 'flags'> = {}): readonly string[] {
  const settings = Object.values(settingTable) as readonly SettingDefinition<unknown>[]
  const names = settings
    .filter(({ isSecret }) => isSecret)
    .flatMap(({ name }) => [name, ...(settingAliases[name] ?? [])])
  const files = environmentLayers(input).flatMap(([, values]) =>
    names.map((name) => values[`${name}_FILE`]?.trim() ?? ''),
  )
  return [...new Set(files)].filter(Boolean)
}
