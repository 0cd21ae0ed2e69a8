/** Log lines of long-running processes: JSON on stderr, or text on a terminal. The only importer of pino. */
export { type Logger, createLogger, silentLogger } from './logger.ts'
