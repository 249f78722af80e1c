/** Whether a host is this machine, by name or IP address. IPv6 with or without brackets. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i.test(host)
}

/** The minimum length of a password that other machines could try to guess. */
export const SHORTEST_PASSWORD = 12
