import type ivm from 'isolated-vm'

// As in channel.ts.
const { createRequire } = process.getBuiltinModule('node:module')

/**
 * Required, not imported: of a CommonJS package Node finds out the names it exports with a parser in
 * WebAssembly, which takes a seventh of a sandbox's start.
 */
export const isolatedVm = createRequire(import.meta.url)('isolated-vm') as typeof ivm
