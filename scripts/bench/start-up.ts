import { onStage } from './environment.js'
import type { Bench } from './figure.js'
import { median } from './figure.js'

/** What somebody waits for who only asks for help. */
const LOOKS = 9
const NO_API = 'http://127.0.0.1:9'

export const startUp: Bench = {
  name: 'start',
  about: 'the time that --help takes',
  run: () =>
    onStage(NO_API, {}, async (environment) => {
      const looks: number[] = []
      for (let look = 0; look < LOOKS; look += 1) looks.push((await environment.cli(['--help'])).wallMs)
      return [
        {
          bench: 'start',
          what: '--help',
          value: median(looks),
          unit: 'ms',
          aim: { atMost: 150 },
          note: `median of ${LOOKS}; Node itself included`,
        },
      ]
    }),
}
