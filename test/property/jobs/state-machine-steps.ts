import fc from 'fast-check'

export const slots = 3
const slot = fc.nat(slots - 1)
const pick = fc.nat()
const one = <const Kind extends string>(kind: Kind) => fc.constant(kind)

/** What may happen, by how often it does. */
const single = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: one('enqueue'), maxLost: fc.nat(1) }) },
  {
    weight: 10,
    arbitrary: fc.record({ kind: one('claim'), slot, limit: fc.integer({ min: 1, max: 3 }) }),
  },
  // A claim that is committed while its reply is lost.
  { weight: 3, arbitrary: fc.record({ kind: one('claimUnheard'), slot }) },
  { weight: 8, arbitrary: fc.record({ kind: one('finish'), slot, fails: fc.boolean() }) },
  // Writes under leases that nobody has any more.
  {
    weight: 8,
    arbitrary: fc.record({
      kind: one('writeStale'),
      how: fc.constantFrom('finish', 'retryLater', 'returnLost', 'release'),
      pick,
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: one('retryLater'), slot }) },
  { weight: 3, arbitrary: fc.record({ kind: one('returnLost'), slot }) },
  { weight: 3, arbitrary: fc.record({ kind: one('release'), slot, count: fc.nat(2) }) },
  { weight: 4, arbitrary: fc.record({ kind: one('cancel'), pick }) },
  { weight: 6, arbitrary: fc.record({ kind: one('beat'), slot }) },
  // Declared dead while it goes on: it stays in its slot until a heartbeat tells it.
  { weight: 4, arbitrary: fc.record({ kind: one('stall'), slot }) },
  // Its process is gone, which a sweep finds out.
  { weight: 2, arbitrary: fc.record({ kind: one('vanish'), slot }) },
  { weight: 2, arbitrary: fc.record({ kind: one('retire'), slot }) },
  { weight: 3, arbitrary: fc.record({ kind: one('sweep') }) },
  { weight: 2, arbitrary: fc.record({ kind: one('handBack'), slot }) },
)
export type Step = typeof single extends fc.Arbitrary<infer T> ? T : never

/** One thing, or two at once. */
export const steps = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(single) },
  { weight: 2, arbitrary: fc.tuple(single, single) },
)
