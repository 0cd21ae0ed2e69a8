import { formatDuration, formatSize, maskPasswords } from '../units/index.ts'
import { type SettingsInput, loadSettings, settingKeys } from './load-settings.ts'
import type { SettingDefinition } from './setting-parsers.ts'
import { settingTable } from './setting-table.ts'

/** A setting as people may see it. */
export interface ShownSetting {
  readonly name: string
  /** As it is in force, without the password of a URL; of a secret only that there is one. */
  readonly value: string | number | boolean | readonly string[] | null
  /** `flag`, `environment`, the name of a file, or `default`. */
  readonly source: string
  readonly isSecret: boolean
  readonly description: string
  /** The value with its unit, for people. */
  readonly text: string
}

/** What stands for a secret everywhere. */
const mask = '***'

/**
 * All settings in force and where each came from, secrets masked.
 *
 * @throws KilnError SETTING_INVALID, FILE_UNREADABLE.
 */
export function showSettings(input: SettingsInput = {}): readonly ShownSetting[] {
  const { settings, sources } = loadSettings(input)
  return settingKeys.map((key) => {
    const { name, isSecret, description }: SettingDefinition<unknown> = settingTable[key]
    const value = settings[key] as ShownSetting['value'] | undefined
    const shown = value === undefined ? null : isSecret ? mask : withoutPasswords(value)
    return {
      name,
      isSecret,
      description,
      value: shown,
      source: sources[key],
      text: textOf(key, shown),
    }
  })
}

/** Any text may be a URL, also one that stands in the wrong place. */
export function withoutPasswords<T>(value: T): T {
  if (typeof value === 'string') return maskPasswords(value) as T
  return Array.isArray(value) ? (value.map(withoutPasswords) as T) : value
}

function textOf(key: string, value: ShownSetting['value']): string {
  if (value === null) return ''
  if (typeof value === 'number' && key.endsWith('Ms')) return formatDuration(value)
  if (typeof value === 'number' && key.endsWith('Bytes')) return formatSize(value)
  return Array.isArray(value) ? value.join(':') : String(value)
}
