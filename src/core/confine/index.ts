/**
 * Walls of the operating system around a child process: an account of its own, and a view of the
 * machine in which there is no network, no other process, and no file but Node and the program. Builds
 * commands and hands out accounts; starts nothing but the loader that tells which libraries Node needs.
 */
export { freeAccount, ownerAccount, takeAccount } from './accounts.ts'
export { type ConfinedNode, confinedArgv } from './confined-argv.ts'
export { type Confiner, type ConfinerKind, confinerKinds, findConfiner } from './confiner.ts'
export { leafOf } from './leaf-process.ts'
