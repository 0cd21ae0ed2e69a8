/** Kiln as a library: everything a command can do. */
export * from './errors/index.ts'
export * from './config/index.ts'
export * from './database/index.ts'
export * from './log/index.ts'
export * from './units/index.ts'
export type { Context, Operator } from './context.ts'
