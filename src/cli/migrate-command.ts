import type { Command } from '@oclif/core'
import { progressText } from './views/migration.ts'
import type { MigrationProgress } from '../core/migrate/index.ts'
import { KilnCommand } from './base-command.ts'

/** What the commands of `kiln migrate` share: they work on any schema, also on none. */
export abstract class MigrateCommand<T extends typeof Command> extends KilnCommand<T> {
  protected override get needsSchema(): boolean {
    return false
  }

  /** Says on stderr what holds a run up, or what it has tidied. */
  protected report(event: MigrationProgress): void {
    const text = progressText(event)
    if (text) this.say(text)
  }
}
