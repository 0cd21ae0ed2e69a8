/** Whether Kiln does its work, as seen from outside of it. */
export {
  type ServiceAnswer,
  type ServiceQuestion,
  type ServiceVerdict,
  askService,
} from './ask-service.ts'
export { type Target, type TargetAnswer, parseTarget, probeTargets } from './probe-targets.ts'
export { type SandboxReport, checkSandbox } from './sandbox/check-sandbox.ts'
export type { Layer, LayerState } from './sandbox/layer.ts'
export {
  type Check,
  type CheckResult,
  type CheckStatus,
  type DoctorInput,
  type DoctorReport,
  checkGroups,
  chooseChecks,
  runDoctor,
} from './doctor/index.ts'
