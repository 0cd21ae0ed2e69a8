import { type DestinationStream, pino } from 'pino'
import type { Settings } from '../config/index.ts'
import type { Logger } from './logger.ts'

/** A logger whose least level can be changed while it is in use. */
export interface AdjustableLogger extends Logger {
  level: string
}

type LogSettings = Pick<Settings, 'logLevel' | 'logFormat'>

/**
 * Makes the logger of a long-running process. JSON lines, or plain text when a person reads them.
 * Writes are synchronous: a log line that a crash swallows is the one that was needed.
 */
export function createLogger(settings: LogSettings, isTerminal: boolean): AdjustableLogger {
  const format = settings.logFormat ?? (isTerminal ? 'text' : 'json')
  const destination: DestinationStream =
    format === 'json' ? pino.destination({ dest: 2, sync: true }) : textDestination()
  return pino(
    {
      level: settings.logLevel,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'message',
      formatters: { level: (label) => ({ level: label }) },
      redact: ['password', 'connectionString', 'databaseUrl', '*.password', '*.connectionString'],
    },
    destination,
  )
}

/** `12:00:01 info  message key=value` on stderr. */
function textDestination(): DestinationStream {
  const stderr = pino.destination({ dest: 2, sync: true })
  return {
    write(line: string) {
      const { time, level, message, ...fields } = JSON.parse(line) as Record<string, unknown>
      const rest = Object.entries(fields)
        .map(
          ([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
        )
        .join('')
      stderr.write(
        `${String(time).slice(11, 19)} ${String(level).padEnd(5)} ${String(message)}${rest}\n`,
      )
    },
  }
}
