/**
 * Removes what allocates outside the isolate's heap and so past its memory limit: WebAssembly
 * memory, shared and resizable buffers (5 GB in two seconds, measured). Buffers of a fixed length
 * are counted and stay.
 */
export function closeAllocators(global: Record<string, unknown>): void {
  const {
    ArrayBuffer: Native,
    Object,
    Reflect,
    Symbol,
    TypeError,
  } = global as unknown as typeof globalThis
  for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics']) delete global[name]
  // The options bag, which asks for a resizable buffer, is not passed on.
  const Fixed = function ArrayBuffer(length: number): unknown {
    if (!new.target) throw new TypeError("Constructor ArrayBuffer requires 'new'")
    return Reflect.construct(Native, [length], new.target)
  }
  Object.defineProperties(Fixed, {
    // The bundler drops the name of the function.
    name: { value: 'ArrayBuffer', configurable: true },
    prototype: { value: Native.prototype, writable: false },
    isView: { value: Native.isView, writable: true, configurable: true },
    [Symbol.species]: {
      get(): unknown {
        return this
      },
      configurable: true,
    },
  })
  const hidden = { value: Fixed, writable: true, configurable: true, enumerable: false }
  Object.defineProperty(Native.prototype, 'constructor', hidden)
  for (const name of ['resize', 'transfer', 'transferToFixedLength']) {
    Reflect.deleteProperty(Native.prototype, name)
  }
  Object.defineProperty(global, 'ArrayBuffer', hidden)
}
