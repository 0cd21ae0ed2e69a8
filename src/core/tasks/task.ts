import type { Settings } from '../config/index.ts'
import type { Context } from '../context.ts'

/** Settings that hold the cron rule of a task. */
export type TaskSetting = {
  [Key in keyof Settings]: Key extends `${string}Schedule` ? Key : never
}[keyof Settings]

/** Work of Kiln itself that a cron rule starts. */
export interface SystemTask {
  /** In `system:<name>`, in metrics and in the log. */
  readonly name: string
  /** Where its rule stands; off unless set. */
  readonly setting: TaskSetting
  /** `rows`: one instance does it for all. `files`: one instance for each data folder. */
  readonly scope: 'rows' | 'files'
  /**
   * Does it, by the same function that the command of this name calls. Ends soon when the context's
   * signal is aborted, and can be done again from the start. Returns what is worth keeping of it;
   * throws when anything of it failed.
   */
  readonly run: (context: Context) => Promise<Readonly<Record<string, unknown>>>
}
