import { Flags } from '@oclif/core'
import { requiredArgument } from './argument.ts'

/** What names one schedule on the command line. */
export const scheduleArgument = requiredArgument({
  description: 'analysis that has one schedule, system:TASK, or the id of a schedule',
})

export const scheduleProjectFlag = Flags.string({
  description: 'project of the analysis, when several have one of this name',
  helpValue: 'ID',
})
