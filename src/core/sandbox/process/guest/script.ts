import type { Described, Errors } from './errors.ts'
import type { Encode } from './encode.ts'
import type { Primordials } from './primordials.ts'

/** What the process is told at the end: one of these, once. */
export interface Ends {
  done(text: string): void
  failed(error: Described): void
  inspected(text: string): void
}

/** The script itself: finds what it exports, reads what it declares, runs it. */
export function makeScript(p: Primordials, encode: Encode, errors: Errors, ends: Ends) {
  let form: 'object' | 'function' = 'object'
  let holder: Record<string, unknown>
  let start: (context: object, parameters: unknown) => unknown
  const misdefined = (message: string): boolean => {
    const described = errors.describe(undefined)
    described.message = message
    described.code = 'definition_error'
    ends.failed(described)
    return false
  }
  const example = 'write export default { async run(ctx, params) { … } }'
  const isClass = (exported: unknown): boolean => {
    try {
      return p.indexOf(p.text(exported), 'class') === 0
    } catch {
      return false
    }
  }
  const readable = (_key: string, value: unknown): unknown => {
    if (typeof value === 'function') return { $function: true }
    if (typeof value === 'bigint') return p.text(value)
    if (typeof value !== 'object' || value === null) return value
    try {
      // A pattern may be written as a regular expression.
      return p.regExpSource(value)
    } catch {
      return value
    }
  }
  const chooseOf = (name: string): ((context: object, parameters: unknown) => unknown) => {
    const declared = holder['parameters'] as Record<string, { name?: unknown; options?: unknown }>
    let found = p.isArray(declared) ? undefined : declared[name]
    const count = p.isArray(declared) ? declared.length : 0
    for (let i = 0; i < count; i += 1) if (declared[i]?.name === name) found = declared[i]
    const options = found?.options
    if (typeof options === 'function') {
      return (context, parameters) => p.apply(options, found, [context, parameters])
    }
    throw new p.TypeError('the options of parameter "' + name + '" are no function')
  }
  /** Does the work and tells its end, whatever the script throws, also while it is read. */
  const settle = async (work: () => unknown, root: string, maxChars: number): Promise<void> => {
    let value: unknown
    try {
      value = await work()
    } catch (thrown) {
      ends.failed(errors.describe(thrown))
      return
    }
    let text: string
    try {
      text = encode(value, root, maxChars)
    } catch (thrown) {
      const described = errors.describe(thrown)
      described.code ||= 'result_not_serializable'
      ends.failed(described)
      return
    }
    ends.done(text)
  }
  return {
    __proto__: null,
    /** Takes the module's exports; false when they are no analysis, which has been told then. */
    define(namespace: Record<string, unknown>): boolean {
      let exported: unknown
      try {
        exported = namespace['default']
      } catch {
        return misdefined('the top level of the script awaits something that never comes')
      }
      if (typeof exported === 'function') {
        if (isClass(exported)) return misdefined('the default export is a class: ' + example)
        form = 'function'
        holder = namespace
        start = (context, parameters) => p.apply(exported, undefined, [parameters, context])
        return true
      }
      if (typeof exported !== 'object' || exported === null) {
        const other = 'or export default function analyze(params, ctx) { … }'
        return misdefined('the script has no default export: ' + example + ', ' + other)
      }
      holder = exported as Record<string, unknown>
      const { run } = holder
      if (typeof run !== 'function') {
        return misdefined('the default export has no run function: ' + example)
      }
      start = (context, parameters) => p.apply(run, holder, [context, parameters])
      return true
    },
    /** Reads the declared fields as JSON; functions become a mark. */
    inspect(fields: string, language: string, maxChars: number): void {
      try {
        const declared = p.create(null)
        const take = (names: readonly string[]) => {
          for (let i = 0; i < names.length; i += 1) {
            const name = names[i] as string
            // Reading one that is absent gives undefined.
            const value = name === 'run' ? undefined : holder[name]
            if (value !== undefined) p.define(declared, name, value)
          }
        }
        // The bare function declares by named exports, and may export other things as well. Of an
        // object all is taken, so that a misspelt field is told and not passed over.
        take(p.parse(fields) as string[])
        if (form === 'object') take(p.keys(holder))
        const text = p.stringify(declared, readable) ?? '{}'
        if (text.length > maxChars) {
          throw new p.RangeError('the definition is larger than ' + maxChars + ' bytes')
        }
        ends.inspected(
          '{"form":"' + form + '","language":"' + language + '","declared":' + text + '}',
        )
      } catch (thrown) {
        const described = errors.describe(thrown)
        described.code = 'definition_error'
        ends.failed(described)
      }
    },
    run: (context: object, parametersText: string, maxChars: number): Promise<void> =>
      settle(() => start(context, p.parse(parametersText)), 'result', maxChars),
    /** Calls the `options` function that a parameter declares. */
    choose: (
      context: object,
      parametersText: string,
      maxChars: number,
      parameter: string,
    ): Promise<void> =>
      settle(() => chooseOf(parameter)(context, p.parse(parametersText)), 'options', maxChars),
  }
}
