import type { Primordials } from './primordials.ts'

/**
 * Turns values of the script into JSON text, inside the isolate, so that no object of the script
 * crosses the border. What JSON would drop or change without a word is refused, naming its path.
 * The getters, proxies and `toJSON` it may meet are the script's own code, under its time limit.
 */
export function makeEncoder(
  p: Primordials,
  errors: {
    mark(error: object, code: string): void
    isMarked(error: unknown): boolean
    readText(value: object, field: string): string
  },
) {
  const maxDepth = 1000
  const opaqueNames =
    ',Map,Set,WeakMap,WeakSet,WeakRef,Promise,RegExp,ArrayBuffer,DataView,Error,Generator,' +
    'AsyncGenerator,Int8Array,Uint8Array,Uint8ClampedArray,Int16Array,Uint16Array,Int32Array,' +
    'Uint32Array,Float16Array,Float32Array,Float64Array,BigInt64Array,BigUint64Array,' +
    'Array Iterator,Map Iterator,Set Iterator,String Iterator,RegExp String Iterator,' +
    'Iterator Helper,FinalizationRegistry,DisposableStack,AsyncDisposableStack,'
  const isOpaque = (tag: string): boolean =>
    tag !== '' && (p.indexOf(opaqueNames, ',' + tag + ',') >= 0 || p.indexOf(tag, 'Intl.') === 0)

  interface State {
    readonly root: string
    readonly maxChars: number
    /** Keys from the root to the value at hand; null prototypes, since setters may lurk on Array's. */
    readonly path: Record<number, unknown>
    readonly parents: Record<number, unknown>
    /** How many keys of the path lead to what is read right now. */
    depth: number
    /** The least the text will have, so that a value too large is refused before it is built. */
    chars: number
    hasBigint: boolean
  }

  const pathOf = (state: State, depth: number): string => {
    let path = state.root
    for (let i = 0; i < depth; i += 1) {
      // Of a very deep value the beginning and the end tell.
      if (i === 10 && depth > 20) {
        path += '…'
        i = depth - 5
      }
      const key = state.path[i]
      if (typeof key === 'number') path += '[' + key + ']'
      else if (isPlainKey(key as string)) path += '.' + (key as string)
      else path += '[' + p.stringify(p.slice(key as string, 0, 100)) + ']'
    }
    return path
  }
  const isPlainKey = (key: string): boolean => {
    if (key.length === 0 || key.length > 100) return false
    for (let i = 0; i < key.length; i += 1) {
      const c = key[i] as string
      const isLetter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c === '_' || c === '$'
      if (!isLetter && !(i > 0 && c >= '0' && c <= '9')) return false
    }
    return true
  }
  const refuse = (state: State, depth: number, what: string): never => {
    const error = new p.TypeError(pathOf(state, depth) + ' is ' + what + ', which JSON cannot hold')
    errors.mark(error, 'result_not_serializable')
    throw error
  }
  /** What a getter, a proxy or a `toJSON` of the script threw, with the place where it did. */
  const unreadable = (state: State, thrown: unknown): Error => {
    const isObject = (typeof thrown === 'object' && thrown !== null) || typeof thrown === 'function'
    // An object is not turned into text: that may be code of the script again.
    const reason = isObject ? errors.readText(thrown, 'message') : p.text(thrown)
    // A getter that grows between the two readings, past what a text of V8 can hold.
    if (reason === 'Invalid string length') return tooLarge(state)
    const path = pathOf(state, state.depth)
    const error = new p.TypeError(path + ' cannot be read' + (reason && ': ' + reason))
    if (isObject) p.define(error, 'stack', errors.readText(thrown, 'stack'), false)
    errors.mark(error, 'result_not_serializable')
    return error
  }
  const tooLarge = (state: State): Error => {
    const error = new p.RangeError(state.root + ' is larger than ' + state.maxChars + ' bytes')
    errors.mark(error, 'result_too_large')
    return error
  }
  const count = (state: State, chars: number): void => {
    state.chars += chars
    if (state.chars > state.maxChars) throw tooLarge(state)
  }

  const check = (state: State, value: unknown, depth: number, key: unknown): void => {
    switch (typeof value) {
      case 'string':
        return count(state, value.length + 2)
      case 'number':
        // Not a number for NaN and the infinities.
        if (value - value !== 0) refuse(state, depth, p.text(value))
        return count(state, 1)
      case 'bigint':
        state.hasBigint = true
        return count(state, 3)
      case 'function':
        return refuse(state, depth, 'a function')
      case 'symbol':
        return refuse(state, depth, 'a symbol')
      case 'object':
        return value === null ? count(state, 4) : checkObject(state, value, depth, key, true)
      default:
        return count(state, 0)
    }
  }
  const checkObject = (
    state: State,
    value: object,
    depth: number,
    key: unknown,
    mayHaveToJson: boolean,
  ): void => {
    if (depth > maxDepth) refuse(state, depth, 'nested more than ' + maxDepth + ' levels deep')
    for (let i = 0; i < depth; i += 1) {
      if (state.parents[i] === value) refuse(state, depth, 'part of a cycle')
    }
    const isList = p.isArray(value)
    const prototype = isList ? null : p.prototypeOf(value)
    const isPlain = prototype === null || prototype === p.objectPrototype
    const tag = isPlain ? '' : p.slice(p.tagOf(value), 8, -1)
    if (tag === 'Date') checkDate(state, value, depth)
    const { toJSON } = value as { toJSON?: unknown }
    if (mayHaveToJson && typeof toJSON === 'function') {
      // As JSON.stringify does: what comes back is not asked again.
      const shown: unknown = p.apply(toJSON, value, [p.text(key)])
      if (typeof shown === 'object' && shown !== null) checkObject(state, shown, depth, key, false)
      else check(state, shown, depth, key)
      return
    }
    if (isOpaque(tag)) refuse(state, depth, named(tag))
    if (!isPlain && isBoxed(state, value, tag, depth)) return
    if (prototype === null && !isList && p.isRawJson(value)) {
      // A number that a text gives digit by digit; as a number it may be an infinity.
      check(state, p.parse((value as { rawJSON: string }).rawJSON), depth, key)
      return
    }
    state.parents[depth] = value
    if (isList) checkItems(state, value as unknown[], depth)
    else if (checkMembers(state, value as Record<string, unknown>, depth) === 0) {
      // Looked at closely only here, since it takes a while and such objects are rare.
      if (prototype !== p.objectPrototype && hasHiddenContent(value)) {
        refuse(state, depth, 'a collection')
      }
    }
    state.parents[depth] = undefined
  }
  const named = (tag: string): string => {
    const isVowel = p.indexOf('AEIOU', p.slice(tag, 0, 1)) >= 0
    return (isVowel ? 'an ' : 'a ') + tag
  }
  /** An object around a number, a text, a truth; those that JSON does not unwrap are refused. */
  const isBoxed = (state: State, value: object, tag: string, depth: number): boolean => {
    if (tag === 'BigInt' || tag === 'Symbol') refuse(state, depth, 'an object around a ' + tag)
    if (tag === 'Number') check(state, p.number(value), depth, '')
    else if (tag === 'String') check(state, p.text(value), depth, '')
    return tag === 'Number' || tag === 'String' || tag === 'Boolean'
  }
  /** True for a map, a set and their kin, also when they are dressed up as something else. */
  const hasHiddenContent = (value: object): boolean => {
    for (let i = 0; i < p.brands.length; i += 1) {
      try {
        ;(p.brands[i] as (value: object) => unknown)(value)
        return true
      } catch {
        // It is none of these.
      }
    }
    return false
  }
  const checkItems = (state: State, list: unknown[], depth: number): void => {
    const { length } = list
    // Each item has two characters at least; an empty list of four billion items ends here.
    count(state, length + 2)
    for (let i = 0; i < length; i += 1) {
      state.path[depth] = i
      state.depth = depth + 1
      check(state, list[i], depth + 1, i)
    }
  }
  /** @returns how many members there are. */
  const checkMembers = (state: State, value: Record<string, unknown>, depth: number): number => {
    state.depth = depth
    const keys = p.keys(value)
    count(state, 2)
    for (let i = 0; i < keys.length; i += 1) {
      const name = keys[i] as string
      state.path[depth] = name
      state.depth = depth + 1
      const member = value[name]
      if (member === undefined) continue
      count(state, name.length + 3)
      check(state, member, depth + 1, name)
    }
    return keys.length
  }
  const checkDate = (state: State, value: object, depth: number): void => {
    let time: number
    try {
      time = p.timeOf(value)
    } catch {
      // Only called a Date: an object like any other.
      return
    }
    if (time !== time) refuse(state, depth, 'an invalid date')
    // Years 0 to 9999: RFC 3339 has four digits.
    if (time < -62167219200000 || time > 253402300799999) {
      refuse(state, depth, 'a date outside the years 0 to 9999')
    }
  }
  const bigintAsText = (_key: string, value: unknown): unknown =>
    typeof value === 'bigint' ? p.text(value) : value

  /** @param root what the value is called in messages. */
  return (value: unknown, root: string, maxChars: number): string => {
    const state: State = {
      root,
      maxChars,
      path: p.create(null),
      parents: p.create(null),
      depth: 0,
      chars: 0,
      hasBigint: false,
    }
    try {
      check(state, value, 0, '')
      state.depth = 0
      const text = state.hasBigint ? p.stringify(value, bigintAsText) : p.stringify(value)
      if (text === undefined) return 'null'
      state.chars = 0
      count(state, text.length)
      return text
    } catch (thrown) {
      throw errors.isMarked(thrown) ? thrown : unreadable(state, thrown)
    }
  }
}

export type Encode = ReturnType<typeof makeEncoder>
