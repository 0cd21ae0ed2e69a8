import { createHash } from 'node:crypto'

/**
 * How much later than its occurrence a run starts: always the same for one schedule, so that many
 * with one rule spread and yet each keeps its rhythm. Less than the time to the next occurrence.
 */
export function jitterOf(
  { id, jitterMs }: { readonly id: string; readonly jitterMs: number },
  occurrenceMs: number,
  nextMs: number | undefined,
): number {
  if (jitterMs <= 0) return 0
  const hash = createHash('sha256').update(id).digest().readUInt32BE(0)
  const most = nextMs === undefined ? jitterMs : Math.min(jitterMs, nextMs - occurrenceMs - 1)
  return hash % (Math.max(0, most) + 1)
}
