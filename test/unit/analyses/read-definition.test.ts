import { describe, expect, it } from 'vitest'
import { readDefinition } from '../../../src/core/analyses/read-definition.ts'

type Declared = Readonly<Record<string, unknown>>

function read(declared: Declared, form: 'object' | 'function' = 'object') {
  return readDefinition({ form, declared, language: 'javascript' })
}

function definitionOf(declared: Declared, form: 'object' | 'function' = 'object') {
  const outcome = read(declared, form)
  if (outcome.status === 'invalid') throw new Error(JSON.stringify(outcome.problems))
  return outcome.definition
}

function problemsOf(declared: Declared): string[] {
  const outcome = read(declared)
  return outcome.status === 'invalid'
    ? outcome.problems.map(({ path, message }) => `${path}: ${message}`)
    : []
}

const parameterProblems = (...parameters: unknown[]): string[] => problemsOf({ parameters })

describe('readDefinition', () => {
  it('fills in what a script leaves out', () => {
    expect(definitionOf({ run: { $function: true } })).toEqual({
      format: 1,
      form: 'object',
      language: 'javascript',
      parameters: [],
      dependencies: { datasources: [], analyses: [] },
      limits: {},
      database: 'scratch',
    })
  })

  it('keeps everything a script may declare, in the units of the program', () => {
    const definition = definitionOf({
      title: ' Delays ',
      description: 'by airport',
      parameters: [{ name: 'day', type: 'date', required: true, default: 'yesterday' }],
      dependencies: { datasources: ['flights', 'flights'], analyses: ['airports'] },
      limits: { timeoutSeconds: 1.5, cpuSeconds: 0.5, memory: '64MB' },
      database: 'read',
      retries: { limit: 3, delaySeconds: 2, backoff: 'exponential' },
      maxConcurrent: 2,
      schedule: { cron: '0 6 * * *', timezone: 'Europe/Berlin' },
    })
    expect(definition).toMatchObject({
      title: 'Delays',
      description: 'by airport',
      parameters: [
        { name: 'day', type: 'date', isRequired: true, default: 'yesterday', dependsOn: [] },
      ],
      dependencies: { datasources: ['flights'], analyses: ['airports'] },
      limits: { timeoutMs: 1500, cpuMs: 500, memoryBytes: 64 * 1024 ** 2 },
      database: 'read',
      retries: { limit: 3, delayMs: 2000, backoff: 'exponential' },
      maxConcurrent: 2,
      schedule: { cron: '0 6 * * *', timezone: 'Europe/Berlin', isEnabled: true },
    })
  })

  it('leaves functions beside run alone', () => {
    const own = { helper: { $function: true }, run: { $function: true } }
    expect(definitionOf(own)).toEqual(definitionOf({}))
  })

  it('takes short forms: a cron text, a number of retries, a size in bytes', () => {
    expect(
      definitionOf({ schedule: '@daily', retries: 2, limits: { memory: 2 ** 25 } }),
    ).toMatchObject({
      schedule: { cron: '@daily', timezone: 'UTC', isEnabled: true },
      retries: { limit: 2, delayMs: 10_000, backoff: 'fixed' },
      limits: { memoryBytes: 2 ** 25 },
    })
  })

  it('lets a bare function without declarations take anything, but not an object', () => {
    expect(definitionOf({}, 'function').parameters).toBeNull()
    expect(definitionOf({}, 'object').parameters).toEqual([])
    expect(definitionOf({ parameters: [] }, 'function').parameters).toEqual([])
  })

  it('reads parameters as a list and as an object by name alike', () => {
    const asList = definitionOf({
      parameters: [
        { name: 'region', type: 'select', options: ['EU', { value: 'US', label: 'USA' }] },
      ],
    })
    const asObject = definitionOf({
      parameters: { region: { type: 'select', options: ['EU', { value: 'US', label: 'USA' }] } },
    })
    expect(asObject).toEqual(asList)
    expect(asList.parameters?.[0]?.options).toEqual([
      { value: 'EU', label: 'EU' },
      { value: 'US', label: 'USA' },
    ])
  })

  it('knows options that a function finds', () => {
    const { parameters } = definitionOf({
      parameters: [{ name: 'city', type: 'select', options: { $function: true } }],
    })
    expect(parameters?.[0]?.options).toBe('dynamic')
  })

  it.each([
    [{ titel: 'x' }, 'titel: is unknown, did you mean "title"?'],
    [{ title: 7 }, 'title: 7 is not a text'],
    [{ database: 'writ' }, 'database: "writ" is not one of scratch, read, write'],
    [
      { limits: { memory: '1KB' } },
      'limits.memory: "1KB" is not a size of at least 16MB, such as "256MB"',
    ],
    [
      { limits: { memory: 'lots' } },
      'limits.memory: "lots" is not a size of at least 16MB, such as "256MB"',
    ],
    [{ limits: { timeout: 5 } }, 'limits.timeout: is unknown, did you mean "timeoutSeconds"?'],
    [{ limits: { timeoutSeconds: '5' } }, 'limits.timeoutSeconds: "5" is not a number of seconds'],
    [{ maxConcurrent: 0 }, 'maxConcurrent: 0 is not a whole number from 1 to 1000'],
    [{ retries: { limit: 1.5 } }, 'retries.limit: 1.5 is not a whole number from 0 to 100'],
    [
      { retries: { limit: 1, backof: 'fixed' } },
      'retries.backof: is unknown, did you mean "backoff"?',
    ],
    [
      { retries: 'many' },
      'retries: "many" is not a retry policy: a number from 0 to 100, or { limit, delaySeconds, backoff }',
    ],
    [
      { schedule: '* *' },
      'schedule: "* *" is not a schedule: a cron expression of 5 or 6 fields, or { cron, timezone, enabled }',
    ],
    [
      { schedule: { cron: '@daily', timezone: 'Mars' } },
      'schedule.timezone: "Mars" is not a time zone such as "Europe/Berlin"',
    ],
    [
      { dependencies: { datasources: ['No Good'] } },
      'dependencies.datasources[0]: "No Good" is not the name of a datasource',
    ],
    [
      { dependencies: { datasources: 'flights' } },
      'dependencies.datasources: "flights" is not a list of names',
    ],
    [
      { parameters: 'all' },
      'parameters: "all" is not a list of parameters, nor an object of them by name',
    ],
  ])('refuses %j', (declared, problem) => {
    expect(problemsOf(declared)).toEqual([problem])
  })

  it.each([
    ['a missing name', [{ type: 'string' }], '[0].name: is missing, expected a name'],
    [
      'an impossible name',
      [{ name: 'a b', type: 'string' }],
      '[0].name: "a b" is not a name of letters, digits, _ and -',
    ],
    [
      'a name that would reach a prototype',
      [{ name: '__proto__', type: 'string' }],
      '[0].name: "__proto__" is not a name that a script can use',
    ],
    ['a parameter that is no object', ['day'], '[0]: "day" is not an object with name and type'],
    [
      'a missing type',
      [{ name: 'a' }],
      '[0].type: is missing, expected one of string, text, number, integer, boolean, date, select, multiselect, object, array',
    ],
    [
      'an unknown field',
      [{ name: 'a', type: 'string', requird: true }],
      '[0].requird: is unknown, did you mean "required"?',
    ],
    [
      'a name twice',
      [
        { name: 'a', type: 'string' },
        { name: 'a', type: 'number' },
      ],
      '[1].name: "a" is declared twice',
    ],
    [
      'a default of the wrong type',
      [{ name: 'a', type: 'integer', default: 'x' }],
      '[0].default: "x" is not a whole number',
    ],
    [
      'a default below min',
      [{ name: 'a', type: 'number', min: 3, default: 2 }],
      '[0].default: 2 is less than 3',
    ],
    [
      'a default that is no option',
      [{ name: 'a', type: 'select', options: ['x'], default: 'y' }],
      '[0].default: "y" is not one of x',
    ],
    [
      'a default that is no date',
      [{ name: 'a', type: 'date', default: '2026-02-30' }],
      '[0].default: "2026-02-30" is not a date (YYYY-MM-DD, today, yesterday, week_start, week_end, last_week, last_month, current_month)',
    ],
    [
      'min above max',
      [{ name: 'a', type: 'number', min: 3, max: 2 }],
      '[0].min: 3 is greater than max 2',
    ],
    [
      'dates the wrong way round',
      [{ name: 'a', type: 'date', min: '2026-02-01', max: '2026-01-01' }],
      '[0].min: 2026-02-01 is greater than max 2026-01-01',
    ],
    [
      'a bound without meaning',
      [{ name: 'a', type: 'boolean', min: 1 }],
      '[0].min: has no meaning for boolean',
    ],
    ['a negative length', [{ name: 'a', type: 'text', min: -1 }], '[0].min: -1 is not a length'],
    [
      'a broken pattern',
      [{ name: 'a', type: 'string', pattern: '(' }],
      '[0].pattern: is not a regular expression: Unterminated group',
    ],
    [
      'an exponential pattern',
      [{ name: 'a', type: 'string', pattern: '^(a+)+$' }],
      '[0].pattern: takes too long to match: repeated groups that can match the same text in many ways',
    ],
    [
      'an exponential pattern of alternatives',
      [{ name: 'a', type: 'string', pattern: '^(\\w|\\d)*$' }],
      '[0].pattern: takes too long to match: repeated groups that can match the same text in many ways',
    ],
    [
      'a pattern on a number',
      [{ name: 'a', type: 'number', pattern: '1' }],
      '[0].pattern: belongs to string and text, not number',
    ],
    [
      'a select without options',
      [{ name: 'a', type: 'select' }],
      '[0].options: is missing: a select needs its options',
    ],
    [
      'a select with no option',
      [{ name: 'a', type: 'select', options: [] }],
      '[0].options: is empty',
    ],
    [
      'an option that is none',
      [{ name: 'a', type: 'select', options: [{ valu: 1 }] }],
      '[0].options[0].value: is missing, expected a text, number or boolean',
    ],
    [
      'options on a text',
      [{ name: 'a', type: 'text', options: ['x'] }],
      '[0].options: belongs to select and multiselect, not text',
    ],
    [
      'an unknown dependency',
      [
        { name: 'city', type: 'string', depends_on: 'contry' },
        { name: 'country', type: 'string' },
      ],
      '[0].depends_on: "contry" is no parameter, did you mean "country"?',
    ],
    [
      'a parameter that depends on itself',
      [{ name: 'a', type: 'string', depends_on: ['a'] }],
      '[0].depends_on: "a" depends on itself in the end',
    ],
  ])('refuses %s', (_, parameters, problem) => {
    expect(parameterProblems(...parameters).at(0)).toBe(`parameters${problem}`)
  })

  it('finds circles of parameters', () => {
    expect(
      parameterProblems(
        { name: 'a', type: 'string', depends_on: 'b' },
        { name: 'b', type: 'string', depends_on: 'a' },
        { name: 'c', type: 'string', depends_on: 'a' },
      ),
    ).toEqual([
      'parameters[0].depends_on: "a" depends on itself in the end',
      'parameters[1].depends_on: "b" depends on itself in the end',
    ])
  })

  it('suggests a type, and names the parameter of the object form', () => {
    expect(problemsOf({ parameters: { day: { type: 'strng' } } })).toEqual([
      'parameters.day.type: "strng" is not a type, did you mean "string"? (types: string, text, number, integer, boolean, date, select, multiselect, object, array)',
    ])
  })

  it('reports every problem at once', () => {
    expect(
      problemsOf({
        titel: 'x',
        database: 'none',
        parameters: [{ name: 'a', type: 'nope', min: true }, { name: 'b' }],
      }),
    ).toHaveLength(5)
  })

  it('refuses more parameters than anybody can fill in', () => {
    const many = Array.from({ length: 201 }, (_, index) => ({ name: `p${index}`, type: 'string' }))
    expect(parameterProblems(...many)).toEqual(['parameters: are more than 200'])
  })
})
