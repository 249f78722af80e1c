import { words } from './words.js'

/**
 * The kinds of music the simulator knows. `words` is what a person would type for it, the name first;
 * enough that a query leads to tracks that look sensible.
 */
export interface Genre {
  readonly name: string
  readonly words: readonly string[]
  readonly subgenres: readonly string[]
  readonly instruments: readonly string[]
  readonly bpm: readonly [slowest: number, fastest: number]
  /** Share of tracks with vocals. */
  readonly vocals: number
}

export const GENRES: readonly Genre[] = [
  {
    name: 'pop',
    words: words('pop radio catchy commercial beach summer fashion'),
    subgenres: ['dance pop', 'indie pop', 'synth pop'],
    instruments: ['synth', 'drums', 'vocals', 'electric guitar'],
    bpm: [96, 128],
    vocals: 0.8,
  },
  {
    name: 'rock',
    words: words('rock guitar stadium garage road car racing'),
    subgenres: ['indie rock', 'alternative rock', 'hard rock'],
    instruments: ['electric guitar', 'drums', 'bass', 'vocals'],
    bpm: [100, 150],
    vocals: 0.7,
  },
  {
    name: 'hip hop',
    words: words('hip hop rap beat street skate urban'),
    subgenres: ['trap', 'boom bap', 'lo-fi hip hop'],
    instruments: ['drum machine', 'bass', 'sampler', 'vocals'],
    bpm: [70, 100],
    vocals: 0.65,
  },
  {
    name: 'electronic',
    words: words('electronic edm techno house club dance tech futuristic cyber gaming game'),
    subgenres: ['house', 'techno', 'synthwave', 'drum and bass'],
    instruments: ['synth', 'drum machine', 'bass', 'pads'],
    bpm: [110, 150],
    vocals: 0.25,
  },
  {
    name: 'ambient',
    words: words('ambient meditation yoga sleep spa drone space relax background'),
    subgenres: ['dark ambient', 'drone', 'new age'],
    instruments: ['pads', 'synth', 'piano', 'field recordings'],
    bpm: [60, 84],
    vocals: 0.05,
  },
  {
    name: 'cinematic',
    words: words('cinematic film trailer epic movie orchestral score documentary battle chase'),
    subgenres: ['epic orchestral', 'trailer', 'underscore'],
    instruments: ['strings', 'brass', 'percussion', 'piano'],
    bpm: [70, 140],
    vocals: 0.1,
  },
  {
    name: 'classical',
    words: words('classical piano concerto waltz ballet baroque museum'),
    subgenres: ['romantic', 'baroque', 'chamber music'],
    instruments: ['piano', 'violin', 'cello', 'flute'],
    bpm: [60, 120],
    vocals: 0.05,
  },
  {
    name: 'jazz',
    words: words('jazz swing lounge bar noir coffee cafe restaurant cooking'),
    subgenres: ['smooth jazz', 'bebop', 'swing'],
    instruments: ['saxophone', 'upright bass', 'piano', 'brushed drums'],
    bpm: [80, 140],
    vocals: 0.2,
  },
  {
    name: 'folk',
    words: words('folk acoustic singer songwriter campfire nature forest travel hiking family wedding'),
    subgenres: ['indie folk', 'americana', 'singer-songwriter'],
    instruments: ['acoustic guitar', 'banjo', 'violin', 'vocals'],
    bpm: [76, 120],
    vocals: 0.6,
  },
  {
    name: 'country',
    words: words('country western cowboy ranch farm'),
    subgenres: ['bluegrass', 'modern country', 'outlaw country'],
    instruments: ['acoustic guitar', 'pedal steel', 'fiddle', 'vocals'],
    bpm: [84, 132],
    vocals: 0.75,
  },
  {
    name: 'soul',
    words: words('soul rnb r&b gospel romance love date'),
    subgenres: ['neo soul', 'contemporary r&b', 'motown'],
    instruments: ['electric piano', 'bass', 'drums', 'vocals'],
    bpm: [68, 110],
    vocals: 0.85,
  },
  {
    name: 'funk',
    words: words('funk groove disco party retro 70s'),
    subgenres: ['disco', 'nu funk', 'afrobeat'],
    instruments: ['bass', 'electric guitar', 'brass', 'drums'],
    bpm: [100, 124],
    vocals: 0.5,
  },
  {
    name: 'reggae',
    words: words('reggae dub island tropical ska'),
    subgenres: ['dub', 'roots reggae', 'ska'],
    instruments: ['bass', 'electric guitar', 'organ', 'drums'],
    bpm: [70, 96],
    vocals: 0.6,
  },
  {
    name: 'latin',
    words: words('latin salsa samba bossa reggaeton flamenco spanish'),
    subgenres: ['salsa', 'bossa nova', 'reggaeton'],
    instruments: ['percussion', 'nylon guitar', 'brass', 'vocals'],
    bpm: [90, 128],
    vocals: 0.65,
  },
  {
    name: 'corporate',
    words: words('corporate business office presentation explainer startup product tutorial interview'),
    subgenres: ['motivational', 'uplifting', 'technology'],
    instruments: ['acoustic guitar', 'piano', 'claps', 'synth'],
    bpm: [100, 126],
    vocals: 0.05,
  },
  {
    name: 'metal',
    words: words('metal heavy thrash doom extreme'),
    subgenres: ['heavy metal', 'metalcore', 'doom metal'],
    instruments: ['distorted guitar', 'drums', 'bass', 'vocals'],
    bpm: [110, 180],
    vocals: 0.6,
  },
]
