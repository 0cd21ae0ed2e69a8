import { KilnCommand } from '../../cli/base-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { otherServerRemark } from '../../cli/views/private-postgres.ts'
import { loadSettings } from '../../core/config/index.ts'
import { stopPrivatePostgres } from '../../core/database/private-postgres/index.ts'

export default class DbStop extends KilnCommand<typeof DbStop> {
  static override summary = 'Stop the private Postgres.'
  static override description =
    'Ends its sessions, rolls open transactions back and returns when the server is gone. Stopping a stopped one is no error. The next command without DATABASE_URL starts it again.'
  static override examples = ['<%= config.bin %> db stop']

  protected async execute(): Promise<Output> {
    const { settings } = loadSettings()
    if (settings.databaseUrl !== undefined) this.say(otherServerRemark)
    const { dataDir } = settings
    const wasRunning = await stopPrivatePostgres({ dataDir, signal: this.signal })
    this.say(wasRunning ? 'the private Postgres is stopped' : 'the private Postgres does not run')
    return {
      kind: 'record',
      record: { state: 'stopped', was_running: wasRunning },
      text: '',
      name: 'stopped',
    }
  }
}
