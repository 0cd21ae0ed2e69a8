import { durationFlag } from './duration.ts'

/** How long to wait for those who have a project's database. */
export const waitFlag = () =>
  durationFlag({ description: 'wait so long for those who use the database (default: not at all)' })
