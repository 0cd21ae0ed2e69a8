/**
 * `active`: it was tried and held. `inactive`: it did not hold, though this host could have it.
 * `unavailable`: this host or account does not have it.
 */
export type LayerState = 'active' | 'inactive' | 'unavailable'

/** One wall around scripts, and what was seen when it was tried. */
export interface Layer {
  readonly name: string
  readonly state: LayerState
  /** What follows for the operator. */
  readonly level: 'ok' | 'warning' | 'critical'
  /** What was tried, and what came of it. */
  readonly evidence: string
  /** How to have it; null when it is active. */
  readonly hint: string | null
}

export const active = (name: string, evidence: string): Layer => ({
  name,
  state: 'active',
  level: 'ok',
  evidence,
  hint: null,
})

export const broken = (name: string, evidence: string): Layer => ({
  name,
  state: 'inactive',
  level: 'critical',
  evidence,
  hint: 'do not run scripts of strangers here; report it as docs/security.md says',
})
