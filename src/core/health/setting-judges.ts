import type { SettingJudges } from '../config/index.ts'
import { ruleProblem } from '../cron/index.ts'
import { parseDatabaseUrl } from '../database/index.ts'
import { messageOf } from '../errors/index.ts'

/** The very functions that read these texts when they are used. */
export const settingJudges: SettingJudges = {
  cronRule: ruleProblem,
  databaseUrl(text) {
    try {
      parseDatabaseUrl(text, '')
      return undefined
    } catch (error) {
      return messageOf(error).trim()
    }
  },
}
