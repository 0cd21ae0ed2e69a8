import fc from 'fast-check'

export const executors = 2
const executor = fc.nat(executors - 1)
const analysis = fc.nat(2)
const limit = fc.option(fc.integer({ min: 1, max: 4 }))
const one = <const Kind extends string>(kind: Kind) => fc.constant(kind)
/** What may happen, by how often it does. */
export const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: one('enqueue'),
      analysis,
      priority: fc.nat(1),
      isLater: fc.boolean(),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: one('admit'), times: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 6, arbitrary: fc.record({ kind: one('claim'), executor, count: fc.nat(4) }) },
  { weight: 6, arbitrary: fc.record({ kind: one('finish'), pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: one('runDirectly'), executor, analysis }) },
  { weight: 2, arbitrary: fc.record({ kind: one('runChild'), pick: fc.nat(), analysis }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: one('request'), analysis, isWithdrawn: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: one('cancel'), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: one('delete'), pick: fc.nat() }) },
  // What operators do by SQL to a pending job, or to all of them.
  {
    weight: 3,
    arbitrary: fc.record({ kind: one('hold'), pick: fc.nat(), isEach: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: one('letGo'), pick: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ kind: one('putOff'), pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: one('bringForward'), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: one('die'), executor }) },
  { weight: 1, arbitrary: fc.record({ kind: one('handBack'), executor }) },
  { weight: 3, arbitrary: fc.record({ kind: one('limitAnalysis'), analysis, limit }) },
  { weight: 2, arbitrary: fc.record({ kind: one('limitProject'), project: fc.nat(1), limit }) },
)
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
