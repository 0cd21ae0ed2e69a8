import { type DestinationStream, pino } from 'pino'
import type { Settings } from '../config/index.ts'
import { KilnError, messageOf } from '../errors/index.ts'
import { printable } from '../units/index.ts'
import type { Logger } from './logger.ts'
import { RollingFile } from './rolling-file.ts'

/** A logger that takes new settings while it is in use. */
export interface AdjustableLogger extends Logger {
  /** Puts another least level in force. */
  adjust(logLevel: string): void
  /** Opens the log file anew, as logrotate wants it after it has moved it. */
  reopen(): void
}

type LogSettings = Pick<
  Settings,
  'logLevel' | 'logFormat' | 'logFile' | 'logMaxSizeBytes' | 'logBackupCount'
>

/**
 * Makes the logger of a long-running process. JSON lines, or plain text when a person reads them;
 * with LOG_FILE also JSON lines in a file that rolls. Writes are synchronous: a log line that a
 * crash swallows is the one that was needed.
 *
 * @throws KilnError FILE_UNWRITABLE for a LOG_FILE that cannot be opened.
 */
export function createLogger(settings: LogSettings, isTerminal: boolean): AdjustableLogger {
  const format = settings.logFormat ?? (isTerminal ? 'text' : 'json')
  const stderr: DestinationStream = format === 'json' ? stderrDestination() : textDestination()
  const file = openLogFile(settings)
  const logger = pino(
    {
      level: settings.logLevel,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'message',
      formatters: { level: (label) => ({ level: label }) },
      redact: ['password', 'connectionString', 'databaseUrl', '*.password', '*.connectionString'],
    },
    file ? both(stderr, file) : stderr,
  )
  return Object.assign(logger, {
    adjust(logLevel: string): void {
      logger.level = logLevel
    },
    reopen: () => file?.reopen(),
  })
}

function openLogFile(settings: LogSettings): RollingFile | undefined {
  const { logFile, logMaxSizeBytes, logBackupCount } = settings
  if (logFile === undefined) return undefined
  try {
    return new RollingFile({
      file: logFile,
      maxBytes: logMaxSizeBytes,
      keep: logBackupCount,
      onFailure: (error) =>
        process.stderr.write(`warning: cannot write ${logFile}: ${messageOf(error)}\n`),
    })
  } catch (error) {
    throw new KilnError('FILE_UNWRITABLE', `cannot open LOG_FILE: ${messageOf(error)}`, {
      hint: 'make its folder, and writable for this user, or unset LOG_FILE',
      cause: error,
    })
  }
}

function both(first: DestinationStream, second: DestinationStream): DestinationStream {
  return {
    write(line: string) {
      first.write(line)
      second.write(line)
    },
  }
}

/** What waits while standard error takes nothing; lines beyond are lost. */
const mostWaitingBytes = 1024 ** 2

/** Where stderr is a file on a full disk, or its reader has gone, the service goes on. */
function stderrDestination(): DestinationStream {
  const stderr = pino.destination({ dest: 2, sync: true, maxLength: mostWaitingBytes })
  // What could not be written stays in its buffer, and goes out with a later line.
  stderr.on('error', () => undefined)
  return stderr
}

/**
 * `12:00:01 info  message key=value` on stderr, one line each: what a script says must neither drive
 * the terminal nor look like a line of ours.
 */
function textDestination(): DestinationStream {
  const stderr = stderrDestination()
  return {
    write(line: string) {
      const { time, level, message, ...fields } = JSON.parse(line) as Record<string, unknown>
      const rest = Object.entries(fields)
        .map(
          ([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
        )
        .join('')
      stderr.write(
        `${String(time).slice(11, 19)} ${String(level).padEnd(5)} ${printable(`${String(message)}${rest}`)}\n`,
      )
    },
  }
}
