import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  type AnalysisDefinition,
  parseParameterTexts,
  resolveParameters,
} from '../../src/core/analyses/index.ts'
import { readDefinition } from '../../src/core/analyses/read-definition.ts'
import { KilnError } from '../../src/core/errors/index.ts'

const moment = { now: '2026-03-18T12:00:00Z', timezone: 'Europe/Berlin' }

const types = [
  { type: 'string', min: 1 },
  { type: 'text', pattern: '^[^!]*$' },
  { type: 'number', max: 1e6 },
  { type: 'integer' },
  { type: 'boolean' },
  { type: 'date' },
  { type: 'select', options: [1, 'two', true] },
  { type: 'multiselect', options: ['a', 'b', 3] },
  { type: 'object' },
  { type: 'array', max: 3 },
]
const definition = define(types.map((type, index) => ({ name: `p${index}`, ...type })))

function define(parameters: unknown): AnalysisDefinition {
  const outcome = readDefinition({
    form: 'object',
    declared: { parameters },
    language: 'javascript',
  })
  if (outcome.status === 'invalid') throw new Error(JSON.stringify(outcome.problems))
  return outcome.definition
}

/** What work gives, or undefined when it refuses in the way of Kiln; anything else fails. */
function unlessRefused<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof KilnError) return undefined
    throw error
  }
}

const name = fc.oneof(fc.constantFrom(...types.map((_, index) => `p${index}`)), fc.string())

it('resolves what it resolved to itself, and refuses everything else in words', () => {
  fc.assert(
    fc.property(fc.dictionary(name, fc.jsonValue(), { maxKeys: 3 }), (given) => {
      const once = unlessRefused(() => resolveParameters(definition, given, moment))
      if (once) expect(resolveParameters(definition, once, moment)).toEqual(once)
    }),
    { numRuns: 2000 },
  )
})

it('reads any text without a failure of its own', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(name, fc.string()), { maxLength: 4 }), (pairs) => {
      const values = unlessRefused(() => parseParameterTexts(definition, pairs))
      if (values) unlessRefused(() => resolveParameters(definition, values, moment))
    }),
    { numRuns: 2000 },
  )
})

it('answers any declaration with a definition or with problems', () => {
  const field = fc.constantFrom('title', 'parameters', 'limits', 'retries', 'schedule', 'database')
  const parameter = fc.record(
    {
      name,
      type: fc.oneof(fc.constantFrom(...types.map(({ type }) => type)), fc.string()),
      default: fc.jsonValue(),
      min: fc.jsonValue(),
      max: fc.jsonValue(),
      options: fc.jsonValue(),
      pattern: fc.string({ maxLength: 8 }),
      depends_on: fc.oneof(name, fc.array(name)),
    },
    { requiredKeys: ['name', 'type'] },
  )
  const value = fc.oneof(fc.jsonValue(), fc.array(parameter, { maxLength: 3 }))
  fc.assert(
    fc.property(fc.dictionary(field, value), (declared) => {
      const outcome = readDefinition({ form: 'object', declared, language: 'javascript' })
      if (outcome.status === 'invalid') expect(outcome.problems.length).toBeGreaterThan(0)
    }),
    { numRuns: 2000 },
  )
})
