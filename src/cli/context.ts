import { userInfo } from 'node:os'
import { type SettingsInput, loadSettings } from '../core/config/index.ts'
import type { Context } from '../core/context.ts'
import { databaseError, openDatabase, resolveTarget } from '../core/database/index.ts'
import type { AdjustableLogger } from '../core/log/create-logger.ts'
import { silentLogger } from '../core/log/index.ts'
import type { Settings } from '../core/config/index.ts'
import { systemClock } from '../core/os/index.ts'

export interface ContextOptions {
  readonly commandId: string
  readonly signal: AbortSignal
  /** Flags that stand for settings. */
  readonly flags: NonNullable<SettingsInput['flags']>
  /** It changes nothing: DATABASE_READONLY_URL serves it where that is set. */
  readonly readsOnly: boolean
  /** What may be done to have a private Postgres running. */
  readonly privateServer: 'make' | 'start' | 'use'
  /** Connections that the command needs at once, whatever DATABASE_POOL_SIZE says. */
  readonly leastConnections: number
  /** Long-running commands log; others are silent. */
  readonly logs: boolean
}

export interface ContextHandle {
  readonly context: Context
  /** Opens the log file anew, reads the settings again, and puts the new log level in force. */
  reload(): Settings
  close(): Promise<void>
}

/** Opens what a command works with, from its flags and the settings. */
export async function openContext(options: ContextOptions): Promise<ContextHandle> {
  const { signal, flags, readsOnly, privateServer, leastConnections } = options
  const readSettings = (): Settings => loadSettings({ flags }).settings
  const settings = readSettings()
  const target = await resolveTarget(settings, {
    signal,
    privateServer,
    // A database that was named on the command line is meant, whatever the settings say.
    readsOnly: readsOnly && flags.databaseUrl === undefined,
  }).catch((error: unknown) => {
    throw databaseError(error)
  })
  const database = openDatabase({
    target,
    applicationName: `kiln ${options.commandId.replaceAll(':', ' ')}`,
    poolSize: Math.max(settings.databasePoolSize, leastConnections),
  })
  const logger = options.logs ? await openLogger(settings) : undefined
  const context: Context = {
    settings,
    database,
    clock: systemClock,
    log: logger ?? silentLogger,
    signal: options.signal,
    operator: { actor: operatorName(), source: 'cli' },
  }
  return {
    context,
    reload() {
      // First: the file has been moved away, whether or not the settings can be read.
      logger?.reopen()
      const fresh = readSettings()
      logger?.adjust(fresh.logLevel)
      return fresh
    },
    close: () => closeWithin(database.close(), 1000),
  }
}

/** The account behind the command; under sudo the one who typed it. */
function operatorName(): string {
  try {
    const account = userInfo().username
    const sudo = process.env.SUDO_USER
    return account === 'root' && sudo ? sudo : account
  } catch {
    // A numeric uid without a passwd entry, as in containers.
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}

/** A connection to a vanished server must not keep a finished command from ending. */
async function closeWithin(closing: Promise<void>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs)
  })
  await Promise.race([closing.catch(() => undefined), limit])
  clearTimeout(timer)
}

/** Loaded only for commands that log: pino costs every start otherwise. */
async function openLogger(settings: Settings): Promise<AdjustableLogger> {
  const { createLogger } = await import('../core/log/create-logger.ts')
  return createLogger(settings, process.stderr.isTTY)
}
