/** Ignores the user's settings and proxy: the API of these scripts is on this machine. */
export function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(TRACKYARD_|HTTPS?_PROXY$)/i.test(name)))
}
