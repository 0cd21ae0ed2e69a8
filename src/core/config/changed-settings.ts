import { isDeepStrictEqual } from 'node:util'
import { type SettingKey, type Settings, settingTable } from './setting-table.ts'

/** The names of the settings that differ. */
export function changedSettings(before: Settings, after: Settings): readonly string[] {
  const keys = Object.keys(settingTable) as readonly SettingKey[]
  return keys
    .filter((key) => !isDeepStrictEqual(before[key], after[key]))
    .map((key) => settingTable[key].name)
}
