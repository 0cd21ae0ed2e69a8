/**
 * Settings: one table says what exists, one function reads it from flags, environment and files.
 * The only module that looks at `process.env`. Nothing here connects to anything.
 */
export { changedSettings } from './changed-settings.ts'
export {
  type SettingJudges,
  type SettingProblem,
  checkSettings,
  envFiles,
} from './check-settings.ts'
export { type ShownSetting, showSettings, withoutPasswords } from './show-settings.ts'
export {
  type LoadedSettings,
  type SettingsInput,
  loadSettings,
  readVariable,
} from './load-settings.ts'
export { passwordFileVariables } from './password-file.ts'
export { programFolders } from './program-folders.ts'
export { secretFiles } from './secret-files.ts'
export { type ServiceManager, readServiceManager } from './service-manager.ts'
export {
  type MachineSize,
  type Suggestion,
  suggestSettings,
  suggestionLines,
} from './suggest-settings.ts'
export type { SettingDefinition } from './setting-parsers.ts'
export { type SettingKey, type Settings, settingTable } from './setting-table.ts'
