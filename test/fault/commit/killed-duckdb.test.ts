import { describeKills } from './fixture.ts'

describeKills('duckdb')
