import type { JobLogLine } from '../../core/jobs/index.ts'
import type { JsonObject } from '../output/output.ts'
import { printableLines } from '../../core/units/printable.ts'

export function logLineJson(line: JobLogLine): JsonObject {
  return {
    attempt: line.attempt,
    line_number: line.lineNumber,
    level: line.level,
    message: line.message,
    logged_at: line.loggedAt,
  }
}

/** `12:00:01.234 warn  message`, safe for a terminal. */
export function logLineText(line: JobLogLine): string {
  const time = line.loggedAt.slice(11, 23).replace('Z', '').padEnd(12)
  return `${time} ${line.level.padEnd(5)} ${printableLines(line.message)}`
}
