import { type Settings, settingTable, withoutPasswords } from '../config/index.ts'

/** The settings in force by name, as JSON text. Of a secret only whether it is set, of a URL no password. */
export function configText(settings: Settings): string {
  const entries = Object.entries(settingTable).map(([key, { name, isSecret }]) => {
    const value = settings[key as keyof Settings]
    return isSecret
      ? [name, { is_secret: true, is_set: value !== undefined }]
      : [name, { value: withoutPasswords(value) ?? null }]
  })
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`
}
