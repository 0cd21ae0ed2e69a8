import type { Layer, SandboxReport } from '../../core/health/index.ts'
import type { Column, JsonObject } from '../output/output.ts'
import { field } from '../output/render.ts'

export const layerJson = (layer: Layer): JsonObject => ({ ...layer })

export const layerColumns: readonly Column<JsonObject>[] = [
  field('layer', 'name'),
  field('state', 'state'),
  field('level', 'level'),
  field('evidence', 'evidence'),
  field('hint', 'hint', true),
]

export const wallsJson = ({ walls, level }: SandboxReport): JsonObject => ({
  level,
  account: walls.account.kind,
  account_reason: walls.account.reason,
  view: walls.view.kind,
  view_reason: walls.view.reason,
})
