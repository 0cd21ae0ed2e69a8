/**
 * The machine: clock, files, processes, where the program lies. The rest of core asks here, so
 * that tests need no global mocks.
 */
export { type Account, findAccount, isOpenToOthers, isRoot } from './accounts.ts'
export { childMemoryBytes } from './child-memory.ts'
export { type Clock, systemClock } from './clock.ts'
export { collectGarbage } from './collect-garbage.ts'
export { type DataFolder, ensureDataFolder, findDataFolder, openDataFolder } from './data-folder.ts'
export { giveToOwnerOf } from './give-to-owner.ts'
export { delay, whenAborted } from './delay.ts'
export {
  ensurePrivateFolder,
  fileError,
  fileExists,
  nearestFolder,
  syncFolder,
  writeFileAtomically,
  writeNewFile,
} from './files.ts'
export { filesHeldOpen } from './files-held-open.ts'
export { type Release, tryTakeTurn } from './machine-turn.ts'
export { memoryLimitBytes } from './memory-limit.ts'
export { packageRoot, processEntry } from './package-root.ts'
export { type ProcessIdentity, currentProcessIdentity, isProvablyGone } from './process-identity.ts'
export { interruptedRestoreMark, projectDatabasePath } from './project-database-path.ts'
export { isPidTaken, isProcessRunning, workingFolderOf } from './processes.ts'
export { type ProgramResult, type RunProgramOptions, runProgram } from './run-program.ts'
