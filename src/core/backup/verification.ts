import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { writeFileAtomically } from '../os/index.ts'
import { toCamelCase, toSnakeCase } from './key-case.ts'
import { layout } from './layout.ts'
import type { BackupSet } from './open-set.ts'

/** From the least that is proven to the most. */
export const verifyLevels = ['quick', 'full', 'drill'] as const
export type VerifyLevel = (typeof verifyLevels)[number]

const verificationSchema = z.object({
  level: z.enum(verifyLevels),
  verifiedAt: z.iso.datetime(),
  isSound: z.boolean(),
  findings: z.array(z.object({ object: z.string(), reason: z.string() })),
  /** Of the manifest that was verified. */
  digest: z.string(),
})

/** What the last verification of a set found; kept beside its manifest. */
export type Verification = z.infer<typeof verificationSchema>

/** Undefined when the set was never verified, or what was kept cannot be trusted any more. */
export async function readVerification(
  folder: string,
  digest: string,
): Promise<Verification | undefined> {
  try {
    const text = await readFile(path.join(folder, layout.verificationFile), 'utf8')
    const parsed = verificationSchema.safeParse(toCamelCase(JSON.parse(text)))
    return parsed.success && parsed.data.digest === digest ? parsed.data : undefined
  } catch {
    // Not there, or damaged: then it has to be verified again.
    return undefined
  }
}

export async function writeVerification(
  { folder }: Pick<BackupSet, 'folder'>,
  verification: Verification,
): Promise<void> {
  const file = path.join(folder, layout.verificationFile)
  await writeFileAtomically(file, `${JSON.stringify(toSnakeCase(verification))}\n`)
}
