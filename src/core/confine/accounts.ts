/**
 * A range that neither distributions nor systemd hand out to anyone else for long, and that exists
 * in a container with 65,536 ids: systemd's dynamic users, which avoid ids in use.
 */
const firstUid = 61_184
const uidCount = 3000

/** Behind those: accounts that own a project's database for good, one each while there are enough. */
const firstOwnerUid = firstUid + uidCount
const ownerCount = 1000

const used = new Set<number>()
// Executors on one machine begin at different numbers; meeting one is unlikely, and harmless.
let next = (process.pid * 31) % uidCount

/**
 * A numeric account that no other child of this process runs under, so that what breaks out of one
 * can neither reach another nor us. Only root can start a process with it.
 */
export function takeAccount(): number {
  do {
    next = (next + 1) % uidCount
  } while (used.has(firstUid + next))
  used.add(firstUid + next)
  return firstUid + next
}

/** To be called when the last process of the account is gone. */
export function freeAccount(uid: number | undefined): void {
  if (uid !== undefined) used.delete(uid)
}

/**
 * The account under which all processes of one project's database run: the one that owns it, or a new
 * one that owns none of the others.
 */
export function ownerAccount(current: number | undefined, others: readonly number[]): number {
  const isOwner = (uid: number) => uid >= firstOwnerUid && uid < firstOwnerUid + ownerCount
  if (current !== undefined && isOwner(current)) return current
  const taken = new Set(others)
  for (let uid = firstOwnerUid; uid < firstOwnerUid + ownerCount; uid += 1) {
    if (!taken.has(uid)) return uid
  }
  // More projects than accounts: two share one, and each process still sees only its own file.
  return firstOwnerUid + (others.length % ownerCount)
}
