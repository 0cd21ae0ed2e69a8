/** No sandbox can be had: the process does not start, or the pool has stopped. */
export class SandboxUnavailableError extends Error {
  override readonly name = 'SandboxUnavailableError'
}
