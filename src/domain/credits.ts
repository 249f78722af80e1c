/** How many of the credits that are left may be spent: none of the reserve (TRACKYARD_CREDIT_RESERVE). */
export function spendableCredits(left: number, reserve: number): number {
  return Math.max(0, left - reserve)
}
