/**
 * Takes the built-ins that the bridge uses before the script runs: a script may replace every
 * global and every prototype method afterwards without the bridge noticing.
 *
 * Each isolate runs this anew, before anything is compiled for speed: a `bind` of each method by a
 * call of `Reflect.apply` cost 20 µs, and a shape for each field of an object that has a prototype
 * another 25.
 */
export function capturePrimordials(global: typeof globalThis) {
  const { Array, Date, Error, JSON, Map, Number, Object, Promise, Proxy, RangeError } = global
  const { Reflect, RegExp, String, Symbol, TypeError, WeakMap } = global
  const { bind, call } = global.Function.prototype
  // A method becomes a function that takes what it is called on first.
  const uncurry = Reflect.apply(bind, bind, [call]) as (
    method: unknown,
  ) => (self: unknown, ...args: unknown[]) => unknown
  const defineProperty = Object.defineProperty
  const getterOf = (prototype: object, name: string) =>
    uncurry(Object.getOwnPropertyDescriptor(prototype, name)?.get)
  const { Set, WeakSet, ArrayBuffer, DataView } = global
  const isRawJson = (JSON as unknown as { isRawJSON?: (value: unknown) => boolean }).isRawJSON
  return {
    __proto__: null,
    Error,
    Map,
    Promise,
    Proxy,
    RangeError,
    TypeError,
    WeakMap,
    text: String as (value: unknown) => string,
    number: Number as (value: unknown) => number,
    now: Date.now,
    asyncIterator: Symbol.asyncIterator,
    objectPrototype: Object.prototype,
    isArray: Array.isArray,
    create: Object.create as (prototype: object | null) => Record<string, unknown>,
    freeze: Object.freeze,
    keys: Object.keys,
    prototypeOf: Object.getPrototypeOf as (value: object) => unknown,
    apply: Reflect.apply,
    parse: JSON.parse as (text: string) => unknown,
    stringify: JSON.stringify as (
      value: unknown,
      replacer?: (this: unknown, key: string, value: unknown) => unknown,
    ) => string | undefined,
    mapGet: uncurry(Map.prototype.get) as <V>(map: Map<number, V>, key: number) => V | undefined,
    mapSet: uncurry(Map.prototype.set) as <V>(map: Map<number, V>, key: number, value: V) => void,
    mapDelete: uncurry(Map.prototype.delete) as (map: Map<number, unknown>, key: number) => void,
    weakGet: uncurry(WeakMap.prototype.get) as <V>(
      map: WeakMap<object, V>,
      key: object,
    ) => V | undefined,
    weakSet: uncurry(WeakMap.prototype.set) as <V>(
      map: WeakMap<object, V>,
      key: object,
      value: V,
    ) => void,
    hasOwn: uncurry(Object.prototype.hasOwnProperty) as (value: object, key: string) => boolean,
    slice: uncurry(String.prototype.slice) as (text: string, start: number, end?: number) => string,
    indexOf: uncurry(String.prototype.indexOf) as (text: string, part: string) => number,
    tagOf: uncurry(Object.prototype.toString) as (value: unknown) => string,
    timeOf: uncurry(Date.prototype.getTime) as (date: unknown) => number,
    regExpSource: getterOf(RegExp.prototype, 'source') as (regExp: unknown) => string,
    isRawJson: isRawJson ?? (() => false),
    /** Each throws for everything but the built-in that keeps what it holds out of sight. */
    brands: [
      getterOf(Map.prototype, 'size'),
      getterOf(Set.prototype, 'size'),
      uncurry(WeakMap.prototype.has),
      uncurry(WeakSet.prototype.has),
      getterOf(ArrayBuffer.prototype, 'byteLength'),
      getterOf(DataView.prototype, 'byteLength'),
      getterOf(RegExp.prototype, 'source'),
    ],
    /** A plain own property, whatever stands on Object.prototype or has been set before. */
    define(target: object, key: string | number, value: unknown, isEnumerable = true): void {
      defineProperty(target, key, {
        // Else `Object.prototype.get` of a script would be read as part of this.
        __proto__: null,
        value,
        writable: true,
        configurable: true,
        enumerable: isEnumerable,
      } as PropertyDescriptor)
    },
  }
}

export type Primordials = ReturnType<typeof capturePrimordials>
