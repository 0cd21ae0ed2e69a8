/**
 * Log lines of long-running processes: JSON on stderr, or text on a terminal. `create-logger.ts` is
 * the only importer of pino, and is loaded by those who log.
 */
export { type Logger, silentLogger } from './logger.ts'
