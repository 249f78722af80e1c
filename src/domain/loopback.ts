/** That a host is this machine: its name or its number, the one of IPv6 with or without brackets. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i.test(host)
}

/** Characters of a password that other machines may guess. */
export const SHORTEST_PASSWORD = 12
