/** One thing that must be so for the service to work. */
export interface HealthCheck {
  readonly name: 'database' | 'migrations' | 'loops' | 'draining'
  readonly ok: boolean
  /** Why not, in a few words without secrets; null when it is. */
  readonly problem: string | null
}

export function isReady(checks: readonly HealthCheck[]): boolean {
  return checks.every(({ ok }) => ok)
}
