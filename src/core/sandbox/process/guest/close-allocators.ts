/**
 * Removes what allocates outside the isolate's heap and so past its memory limit: WebAssembly
 * memory, shared and resizable buffers (5 GB in two seconds, measured). Buffers of a fixed length
 * are counted and stay.
 */
export function closeAllocators(global: Record<string, unknown>): void {
  const { ArrayBuffer: Native, Proxy, Reflect } = global as unknown as typeof globalThis
  const { construct } = Reflect
  delete global['WebAssembly']
  delete global['SharedArrayBuffer']
  delete global['Atomics']
  // The options bag, which asks for a resizable buffer, is not passed on.
  const Fixed = new Proxy(Native, {
    __proto__: null,
    construct: (_native: unknown, given: readonly number[], newTarget: typeof Native) =>
      construct(Native, [given[0]], newTarget),
  } as ProxyHandler<typeof Native>)
  const prototype = Native.prototype as unknown as Record<string, unknown>
  // Both stand there already, not enumerable, and stay so.
  prototype['constructor'] = Fixed
  global['ArrayBuffer'] = Fixed
  delete prototype['resize']
  delete prototype['transfer']
  delete prototype['transferToFixedLength']
}
