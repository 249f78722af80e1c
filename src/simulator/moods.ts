import { words } from './words.js'

/** What music feels like, and what goes along with it. `words` as in genres.ts. */
export interface Mood {
  readonly name: string
  readonly words: readonly string[]
  /** Moods that come along with it. */
  readonly near: readonly string[]
  readonly energy: 'low' | 'medium' | 'high'
  readonly minor: boolean
}

export const MOODS: readonly Mood[] = [
  {
    name: 'happy',
    words: words('happy cheerful joyful upbeat sunny fun playful kids birthday'),
    near: ['uplifting', 'carefree', 'playful'],
    energy: 'high',
    minor: false,
  },
  {
    name: 'uplifting',
    words: words('uplifting inspiring inspirational motivational hopeful positive bright success'),
    near: ['happy', 'hopeful', 'confident'],
    energy: 'medium',
    minor: false,
  },
  {
    name: 'calm',
    words: words('calm peaceful relaxing gentle soft quiet morning soothing slow'),
    near: ['dreamy', 'warm', 'peaceful'],
    energy: 'low',
    minor: false,
  },
  {
    name: 'dreamy',
    words: words('dreamy ethereal floating hazy night underwater'),
    near: ['calm', 'nostalgic', 'mysterious'],
    energy: 'low',
    minor: false,
  },
  {
    name: 'sad',
    words: words('sad melancholic melancholy somber heartbreak lonely rain emotional'),
    near: ['nostalgic', 'reflective', 'tender'],
    energy: 'low',
    minor: true,
  },
  {
    name: 'dark',
    words: words('dark scary horror sinister ominous eerie crime'),
    near: ['tense', 'mysterious', 'brooding'],
    energy: 'medium',
    minor: true,
  },
  {
    name: 'tense',
    words: words('tense suspense suspenseful thriller urgent nervous chase'),
    near: ['dark', 'dramatic', 'restless'],
    energy: 'high',
    minor: true,
  },
  {
    name: 'epic',
    words: words('epic heroic powerful triumphant massive battle victory sport sports'),
    near: ['dramatic', 'confident', 'energetic'],
    energy: 'high',
    minor: true,
  },
  {
    name: 'energetic',
    words: words('energetic driving fast workout running action party racing extreme energy'),
    near: ['confident', 'exciting', 'happy'],
    energy: 'high',
    minor: false,
  },
  {
    name: 'romantic',
    words: words('romantic love wedding tender intimate sensual date'),
    near: ['warm', 'tender', 'dreamy'],
    energy: 'low',
    minor: false,
  },
  {
    name: 'nostalgic',
    words: words('nostalgic retro vintage memories childhood 80s old'),
    near: ['warm', 'reflective', 'dreamy'],
    energy: 'medium',
    minor: false,
  },
  {
    name: 'mysterious',
    words: words('mysterious mystery curious secret strange space'),
    near: ['dark', 'dreamy', 'tense'],
    energy: 'low',
    minor: true,
  },
  {
    name: 'confident',
    words: words('confident cool swagger bold fashion street strong'),
    near: ['energetic', 'groovy', 'uplifting'],
    energy: 'medium',
    minor: false,
  },
  {
    name: 'warm',
    words: words('warm cozy homely family autumn coffee acoustic'),
    near: ['calm', 'nostalgic', 'romantic'],
    energy: 'low',
    minor: false,
  },
]
