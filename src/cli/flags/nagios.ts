import { Flags } from '@oclif/core'

/** Plugins of Nagios, Icinga and their like answer with one line and an exit code. */
export const nagiosFlag = Flags.boolean({
  description: 'print one line as Nagios plugins do',
  exclusive: ['json', 'output'],
})
