/** What systemd wants to be told, of a service of Type=notify. */
export interface ServiceManager {
  readonly notifySocket: string
  /** A service that says nothing for so long is killed; undefined: it may be silent. */
  readonly watchdogMs: number | undefined
}

/** Undefined unless systemd started this process and listens. */
export function readServiceManager(
  environment: NodeJS.ProcessEnv = process.env,
): ServiceManager | undefined {
  const notifySocket = environment.NOTIFY_SOCKET
  if (!notifySocket) return undefined
  const watchdogMs = Number(environment.WATCHDOG_USEC) / 1000
  return { notifySocket, watchdogMs: watchdogMs > 0 ? watchdogMs : undefined }
}
