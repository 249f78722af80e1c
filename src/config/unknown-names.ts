import { didYouMean } from '../domain/did-you-mean.js'
import { type Environment, PREFIX } from './env-file.js'
import { SECRET_FILE_NAMES, SETTING_NAMES } from './setting-table.js'

/**
 * One problem for each unknown name with our prefix: a misspelt setting would otherwise be ignored
 * silently.
 */
export function unknownNames(env: Environment): string[] {
  const known = [...SETTING_NAMES, ...SECRET_FILE_NAMES]
  const bare = known.map((name) => name.slice(PREFIX.length))
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && env[name] && !known.includes(name))
    .map((name) => {
      const near = didYouMean(name.slice(PREFIX.length), bare)
      return near === null
        ? `${name}: expected the name of a setting (\`trackyard-batch --help\` lists them), found an unknown one`
        : `${name}: no such setting; did you mean ${PREFIX}${near}?`
    })
}
