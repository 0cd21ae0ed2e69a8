import { totalmem } from 'node:os'

/**
 * The memory that this process and what it starts may take, in bytes: that of the machine, or of the
 * container or unit it runs in. Where there is no limit Node says 0, or a number beyond every machine.
 */
export function memoryLimitBytes(
  machineBytes = totalmem(),
  limitBytes = process.constrainedMemory(),
): number {
  return limitBytes > 0 ? Math.min(limitBytes, machineBytes) : machineBytes
}
