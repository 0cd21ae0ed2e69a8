import { describeKills } from './fixture.ts'

describeKills('postgres')
