import { GuestRealm } from './guest-realm.ts'

/**
 * The realm of the job at hand and the one prepared for the next: making one takes a millisecond,
 * which a job need not wait for. There is one at a time, since each reserves 512 MB of the data that
 * the ulimit allows.
 */
export class RealmStock {
  private realm: GuestRealm | undefined
  private isUsed = false
  private preparing: NodeJS.Immediate | undefined

  /** Makes a realm once nothing else is to be done. */
  prepare(memoryBytes: number): void {
    this.preparing = setImmediate(() => this.make(memoryBytes))
  }

  /** A realm that no script has run in. */
  take(memoryBytes: number): GuestRealm {
    clearImmediate(this.preparing)
    const isFit = !this.isUsed && this.realm?.memoryBytes === memoryBytes
    const realm = isFit && this.realm ? this.realm : this.make(memoryBytes)
    this.isUsed = true
    return realm
  }

  private make(memoryBytes: number): GuestRealm {
    this.realm?.dispose()
    this.isUsed = false
    this.realm = new GuestRealm(memoryBytes)
    return this.realm
  }
}
