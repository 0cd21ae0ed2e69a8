import { describe, expect, it } from 'vitest'
import { configText } from '../../../src/core/backup/config-snapshot.ts'
import { checkSettings, loadSettings, showSettings } from '../../../src/core/config/index.ts'
import { settingJudges } from '../../../src/core/health/setting-judges.ts'

const canary = 'canary-0f6e2b'
const url = `http://kiln:${canary}@worker-3:8002`
const input = (environment: Readonly<Record<string, string>>) => ({ environment, folder: '/none' })

describe('the password of a URL in a setting', () => {
  it('is neither shown nor kept in a backup, and the rest of the URL is', () => {
    const given = input({ ANALYSIS_EXECUTOR_URL: url, BACKUP_REPOSITORY: url })
    const shown = showSettings(given).find(({ name }) => name === 'ANALYSIS_EXECUTOR_URL')
    const masked = 'http://kiln:***@worker-3:8002'
    expect(shown).toMatchObject({ value: masked, text: masked, isSecret: false })
    expect(JSON.stringify(showSettings(given))).not.toContain(canary)
    const kept = configText(loadSettings(given).settings)
    expect(kept).toContain(masked)
    expect(kept).not.toContain(canary)
  })

  it.each(['LOG_LEVEL', 'POLL_INTERVAL_MS', 'SCHEDULE_TIMEZONE', 'CLEANUP_SCHEDULE'])(
    'is not repeated where it stands in %s',
    (name) => {
      const problems = checkSettings(input({ [name]: url }), settingJudges)
      expect(problems).toMatchObject([{ name, source: 'environment', level: 'error' }])
      expect(JSON.stringify(problems)).not.toContain(canary)
    },
  )
})

it('checks what the command line gives, and says that it does', () => {
  const flags = { databaseUrl: 'mysql://db/kiln' }
  const given = { ...input({ DATABASE_URL: 'postgresql://db/kiln' }), flags }
  expect(checkSettings(given, settingJudges)).toMatchObject([
    { name: 'DATABASE_URL', source: 'flag', hint: 'correct DATABASE_URL in the command line' },
  ])
})
