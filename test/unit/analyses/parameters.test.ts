import { describe, expect, it } from 'vitest'
import type { AnalysisDefinition, JsonValue } from '../../../src/core/analyses/index.ts'
import { parseParameterTexts, resolveParameters } from '../../../src/core/analyses/index.ts'
import { readDefinition } from '../../../src/core/analyses/read-definition.ts'
import { KilnError } from '../../../src/core/errors/index.ts'

const moment = { now: '2026-03-18T12:00:00Z', timezone: 'UTC' }

function declare(parameters: unknown): AnalysisDefinition {
  const outcome = readDefinition({
    form: 'object',
    declared: { parameters },
    language: 'javascript',
  })
  if (outcome.status === 'invalid') throw new Error(JSON.stringify(outcome.problems))
  return outcome.definition
}

function refusal(work: () => unknown): KilnError {
  try {
    work()
  } catch (error) {
    if (error instanceof KilnError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('resolveParameters', () => {
  it('fills in defaults, keeps the declared order and leaves out what has no value', () => {
    const definition = declare([
      { name: 'limit', type: 'integer', default: 10 },
      { name: 'note', type: 'text' },
      { name: 'day', type: 'date', default: 'yesterday' },
    ])
    expect(JSON.stringify(resolveParameters(definition, { note: null }, moment))).toBe(
      '{"limit":10,"day":"2026-03-17"}',
    )
  })

  it('gives a script without declarations what it is given', () => {
    const given = { anything: [1, { deep: true }] }
    expect(resolveParameters({ parameters: null }, given, moment)).toEqual(given)
  })

  it.each<[string, Record<string, unknown>, JsonValue, string]>([
    ['a text', { type: 'string' }, 5, '5 is not a text'],
    ['a short text', { type: 'string', min: 3 }, 'ab', 'has 2 characters, which is less than 3'],
    ['a long text', { type: 'text', max: 3 }, 'abcd', 'has 4 characters, which is more than 3'],
    [
      'a pattern',
      { type: 'string', pattern: '^[A-Z]{3}$' },
      'sfo',
      '"sfo" does not match the pattern ^[A-Z]{3}$',
    ],
    ['a number', { type: 'number' }, '5', '"5" is not a number'],
    ['a small number', { type: 'number', min: 0.5 }, 0.25, '0.25 is less than 0.5'],
    ['a whole number', { type: 'integer' }, 1.5, '1.5 is not a whole number'],
    ['a number past 2^53', { type: 'integer' }, 2 ** 53, '9007199254740992 is not a whole number'],
    ['a boolean', { type: 'boolean' }, 'true', '"true" is not true or false'],
    [
      'a day that is none',
      { type: 'date' },
      '2026-02-30',
      '"2026-02-30" is not a date (YYYY-MM-DD, today, yesterday, week_start, week_end, last_week, last_month, current_month)',
    ],
    [
      'an early day',
      { type: 'date', min: '2026-01-01' },
      '2025-12-31',
      '2025-12-31 is before 2026-01-01',
    ],
    [
      'a day in the future',
      { type: 'date', max: 'today' },
      '2026-03-19',
      '2026-03-19 is after 2026-03-18',
    ],
    ['an option', { type: 'select', options: ['EU', 'US'] }, 'AS', '"AS" is not one of EU, US'],
    [
      'an option of another type',
      { type: 'select', options: [1, 2] },
      '1',
      '"1" is not one of 1, 2',
    ],
    ['options', { type: 'multiselect', options: ['a', 'b'] }, ['a', 'c'], '"c" is not one of a, b'],
    [
      'a single option',
      { type: 'multiselect', options: ['a', 'b'] },
      'a',
      '"a" is not a list of options',
    ],
    [
      'an option twice',
      { type: 'multiselect', options: ['a', 'b'] },
      ['a', 'a'],
      'names an option twice',
    ],
    ['an object', { type: 'object' }, [1], '[1] is not an object'],
    ['an array', { type: 'array' }, { a: 1 }, '{"a":1} is not an array'],
    ['a short array', { type: 'array', min: 2 }, [1], 'has 1 items, which is less than 2'],
  ])('refuses what is not %s', (_, declared, value, message) => {
    const definition = declare([{ name: 'x', ...declared }])
    const error = refusal(() => resolveParameters(definition, { x: value }, moment))
    expect(error.message).toBe(`parameter "x" ${message}`)
    expect(error).toMatchObject({ code: 'PARAMETER_INVALID', exitCode: 65 })
  })

  it('names everything that is wrong at once', () => {
    const definition = declare([
      { name: 'region', type: 'string', required: true },
      { name: 'limit', type: 'integer' },
    ])
    const error = refusal(() => resolveParameters(definition, { limit: 'x', regoin: 'EU' }, moment))
    expect(error.message).toBe(
      'parameter "regoin" is unknown, did you mean "region"?; parameter "region" is missing; parameter "limit" "x" is not a whole number',
    )
    expect(error.details).toEqual({
      problems: [
        { parameter: 'regoin', message: 'is unknown, did you mean "region"?' },
        { parameter: 'region', message: 'is missing' },
        { parameter: 'limit', message: '"x" is not a whole number' },
      ],
    })
    expect(error.hint).toBe('give its parameters: region, limit')
  })

  it('refuses parameters that are no object', () => {
    expect(refusal(() => resolveParameters(declare([]), [1], moment)).message).toBe(
      'parameters: [1] is not a JSON object',
    )
  })

  it('asks for a dependent parameter only with the one it depends on', () => {
    const definition = declare([
      { name: 'city', type: 'string', required: true, depends_on: 'country' },
      { name: 'country', type: 'string' },
    ])
    expect(resolveParameters(definition, {}, moment)).toEqual({})
    expect(refusal(() => resolveParameters(definition, { country: 'PT' }, moment)).message).toBe(
      'parameter "city" is missing',
    )
    expect(refusal(() => resolveParameters(definition, { city: 'Porto' }, moment)).message).toBe(
      'parameter "city" needs country too',
    )
    expect(
      refusal(() => resolveParameters(definition, { city: 'P', country: 1 }, moment)).message,
    ).toBe('parameter "country" 1 is not a text')
  })

  it('stops a pattern that takes too long, whatever the value', () => {
    // Passes the probes at declaration: only a value of its own letters makes it slow.
    const definition = declare([{ name: 'x', type: 'string', pattern: '^(q+)+$' }])
    const error = refusal(() => resolveParameters(definition, { x: `${'q'.repeat(50)}!` }, moment))
    expect(error.message).toContain('takes too long to match')
  })

  it('never writes to the prototype of objects', () => {
    const given = JSON.parse('{"__proto__": {"polluted": true}}') as JsonValue
    const error = refusal(() => resolveParameters(declare([]), given, moment))
    expect(error.message).toBe('parameter "__proto__" is unknown')
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })
})

describe('parseParameterTexts', () => {
  const definition = declare([
    { name: 'text', type: 'string' },
    { name: 'number', type: 'number' },
    { name: 'count', type: 'integer' },
    { name: 'flag', type: 'boolean' },
    { name: 'day', type: 'date' },
    { name: 'size', type: 'select', options: [1, 2, 'L'] },
    { name: 'tags', type: 'multiselect', options: ['a', 'b', 3] },
    { name: 'filter', type: 'object' },
    { name: 'list', type: 'array' },
  ])

  it.each<[string, string, JsonValue]>([
    ['text', '42', '42'],
    ['text', '', ''],
    ['number', '-1.5e2', -150],
    ['number', '1,5', '1,5'],
    ['number', '', ''],
    ['number', '0x10', '0x10'],
    ['count', '7', 7],
    ['flag', 'true', true],
    ['flag', 'No', false],
    ['flag', 'maybe', 'maybe'],
    ['day', 'today', 'today'],
    ['size', '2', 2],
    ['size', 'L', 'L'],
    ['size', '9', '9'],
    ['tags', 'a, 3', ['a', 3]],
    ['tags', '["a"]', ['a']],
    ['tags', '', []],
    ['filter', '{"a":1}', { a: 1 }],
    ['filter', '{a', '{a'],
    ['list', '[1,2]', [1, 2]],
    ['unknown', 'x', 'x'],
  ])('reads %s=%s', (name, text, value) => {
    expect(parseParameterTexts(definition, [[name, text]])).toEqual({ [name]: value })
  })

  it('reads JSON where nothing is declared, and texts that are none', () => {
    const pairs = [
      ['a', '1'],
      ['b', 'null'],
      ['c', '01'],
      ['d', '"1"'],
    ] as const
    const values = { a: 1, b: null, c: '01', d: '1' }
    expect(parseParameterTexts({ parameters: null }, pairs)).toEqual(values)
    expect(parseParameterTexts(null, pairs)).toEqual(values)
  })

  it('refuses a name that is given twice', () => {
    const error = refusal(() =>
      parseParameterTexts(null, [
        ['a', '1'],
        ['a', '2'],
      ]),
    )
    expect(error).toMatchObject({ code: 'USAGE', message: 'parameter "a" is given twice' })
  })
})
