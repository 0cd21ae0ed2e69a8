import { describeKills } from './fixture.ts'

describeKills('executor')
