import type { SandboxLimits, Script } from '../contract.ts'

/** What the executor asks of this process. It is trusted: no checks. */
export interface GuestRequest {
  readonly kind: 'job' | 'inspect'
  readonly script: Script
  /** JSON text of the `ScriptContext`. */
  readonly contextText: string
  readonly parametersText: string
  /** The parameter whose options are asked for; absent: the script is run. */
  readonly optionsOf?: string | undefined
  readonly limits: Omit<SandboxLimits, 'cpuMs'> & { readonly definitionBytes: number }
}
