import { expect, it } from 'vitest'
import { findCycle } from '../../../src/core/analyses/dependencies.ts'

const edges = (...pairs: string[]): Map<string, string[]> => {
  const map = new Map<string, string[]>()
  for (const pair of pairs) {
    const [from = '', to = ''] = pair.split('>')
    map.set(from, [...(map.get(from) ?? []), to])
  }
  return map
}

it.each([
  [['a>a'], ['a', 'a']],
  [
    ['a>b', 'b>a'],
    ['a', 'b', 'a'],
  ],
  [
    ['a>b', 'b>c', 'c>d', 'd>a', 'b>d'],
    ['a', 'b', 'd', 'a'],
  ],
  [['a>b', 'a>c', 'b>d', 'c>d'], undefined],
  // A circle that a does not belong to is not a's.
  [['a>b', 'b>c', 'c>b'], undefined],
  [[], undefined],
])('finds the shortest way round in %j', (pairs, cycle) => {
  expect(findCycle(edges(...pairs), 'a')).toEqual(cycle)
})

it('takes no longer for a wide net than it has edges', () => {
  // 2^40 ways lead through it.
  const pairs = Array.from({ length: 40 }, (_, level) =>
    ['x', 'y'].flatMap((from) => ['x', 'y'].map((to) => `${from}${level}>${to}${level + 1}`)),
  ).flat()
  expect(findCycle(edges('a>x0', ...pairs), 'a')).toBeUndefined()
})
