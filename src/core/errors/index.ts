/**
 * The error table and the one error class. Every failure a user can see has a stable code here;
 * nothing else in core decides about exit codes.
 */
export { type ErrorCode, type ExitCode, errorTable, exitCodes } from './error-table.ts'
export {
  KilnError,
  type KilnErrorOptions,
  errorCodeOf,
  isKilnError,
  messageOf,
} from './kiln-error.ts'
