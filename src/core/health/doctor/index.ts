/** `kiln doctor`: independent checks of everything Kiln rests on, each with the command that mends it. */
export { type Check, type CheckStatus, checkGroups } from './check.ts'
export {
  type CheckResult,
  type DoctorInput,
  type DoctorReport,
  chooseChecks,
  runDoctor,
} from './run-doctor.ts'
