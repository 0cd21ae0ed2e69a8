/** Whether Kiln does its work, as seen from outside of it. */
export {
  type ServiceAnswer,
  type ServiceQuestion,
  type ServiceVerdict,
  askService,
} from './ask-service.ts'
export { type SandboxReport, checkSandbox } from './sandbox/check-sandbox.ts'
export type { Layer, LayerState } from './sandbox/layer.ts'
