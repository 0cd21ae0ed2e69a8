/**
 * Settings: one table says what exists, one function reads it from flags, environment and files.
 * The only module that looks at `process.env`. Nothing here connects to anything.
 */
export {
  type LoadedSettings,
  type SettingsInput,
  loadSettings,
  readVariable,
} from './load-settings.ts'
export { programFolders } from './program-folders.ts'
export { type ServiceManager, readServiceManager } from './service-manager.ts'
export { type SettingKey, type Settings, settingTable } from './setting-table.ts'
