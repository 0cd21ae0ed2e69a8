import type ivm from 'isolated-vm'
import { makeBridgeCache } from './bridge-code.ts'
import { GuestRealm } from './guest-realm.ts'
import { isolatedVm } from './isolated-vm.ts'

/** Base64 of `makeBridgeCache`, which the build writes into this program. */
declare const shippedBridgeCache: string | undefined

/** Making the cache takes 10 ms, and it saves 1 ms a job: not for a process that serves only a few. */
const cacheAfter = 3

const toCache = ({ buffer, byteOffset, byteLength }: Buffer): ivm.ExternalCopy<ArrayBuffer> =>
  new isolatedVm.ExternalCopy(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer)

/**
 * The realm of the job at hand and the one prepared for the next: making one takes a millisecond,
 * which a job need not wait for. There is one at a time, since each reserves 512 MB of the data that
 * the ulimit allows.
 */
export class RealmStock {
  private realm: GuestRealm | undefined
  private isUsed = false
  private cache =
    typeof shippedBridgeCache === 'string'
      ? toCache(Buffer.from(shippedBridgeCache, 'base64'))
      : undefined
  private making: Promise<void> | undefined
  private made = 0

  /** Makes the next realm, and takes the last one down: for when there is nothing else to do. */
  prepare(memoryBytes: number): void {
    this.make(memoryBytes)
    if (!this.cache && this.made >= cacheAfter) this.makeCache()
  }

  /** A realm that no script has run in. */
  take(memoryBytes: number): GuestRealm {
    const isFit = !this.isUsed && this.realm?.memoryBytes === memoryBytes
    const realm = isFit && this.realm ? this.realm : this.make(memoryBytes)
    this.isUsed = true
    return realm
  }

  private make(memoryBytes: number): GuestRealm {
    this.realm?.dispose()
    this.isUsed = false
    this.realm = new GuestRealm(memoryBytes, this.cache)
    // Made by another Node than the one that runs this.
    if (this.realm.isCacheRejected) this.cache = undefined
    this.made += 1
    return this.realm
  }

  /** Once, and between two jobs: its time is no script's. */
  private makeCache(): void {
    this.making ??= makeBridgeCache().then(
      (cache) => {
        this.cache = toCache(cache)
      },
      // It saves time and nothing else; a process that has no room for it goes on without.
      () => undefined,
    )
  }
}
