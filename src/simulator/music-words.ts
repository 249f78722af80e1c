/**
 * The little the simulator knows about music: enough that a query's words lead to sensible tracks.
 * Each word list names what a person would type; the first entry of each list is the API's own term.
 */
export interface Genre {
  readonly name: string
  readonly words: readonly string[]
  readonly subgenres: readonly string[]
  readonly instruments: readonly string[]
  readonly bpm: readonly [min: number, max: number]
  /** Share of tracks with vocals. */
  readonly vocals: number
}

export interface Mood {
  readonly name: string
  readonly words: readonly string[]
  /** Moods that come along with it. */
  readonly near: readonly string[]
  readonly energy: 'low' | 'medium' | 'high'
  readonly minor: boolean
}

export const GENRES: readonly Genre[] = [
  genre(
    'pop',
    'pop radio catchy commercial beach summer fashion',
    'dance pop,indie pop,synth pop',
    'synth,drums,vocals,electric guitar',
    96,
    128,
    0.8,
  ),
  genre(
    'rock',
    'rock guitar stadium garage road car racing',
    'indie rock,alternative rock,hard rock',
    'electric guitar,drums,bass,vocals',
    100,
    150,
    0.7,
  ),
  genre(
    'hip hop',
    'hip hop rap beat street skate urban',
    'trap,boom bap,lo-fi hip hop',
    'drum machine,bass,sampler,vocals',
    70,
    100,
    0.65,
  ),
  genre(
    'electronic',
    'electronic edm techno house club dance tech futuristic cyber gaming game',
    'house,techno,synthwave,drum and bass',
    'synth,drum machine,bass,pads',
    110,
    150,
    0.25,
  ),
  genre(
    'ambient',
    'ambient meditation yoga sleep spa drone space relax background',
    'dark ambient,drone,new age',
    'pads,synth,piano,field recordings',
    60,
    84,
    0.05,
  ),
  genre(
    'cinematic',
    'cinematic film trailer epic movie orchestral score documentary battle chase',
    'epic orchestral,trailer,underscore',
    'strings,brass,percussion,piano',
    70,
    140,
    0.1,
  ),
  genre(
    'classical',
    'classical piano concerto waltz ballet baroque museum',
    'romantic,baroque,chamber music',
    'piano,violin,cello,flute',
    60,
    120,
    0.05,
  ),
  genre(
    'jazz',
    'jazz swing lounge bar noir coffee cafe restaurant cooking',
    'smooth jazz,bebop,swing',
    'saxophone,upright bass,piano,brushed drums',
    80,
    140,
    0.2,
  ),
  genre(
    'folk',
    'folk acoustic singer songwriter campfire nature forest travel hiking family wedding',
    'indie folk,americana,singer-songwriter',
    'acoustic guitar,banjo,violin,vocals',
    76,
    120,
    0.6,
  ),
  genre(
    'country',
    'country western cowboy ranch farm',
    'bluegrass,modern country,outlaw country',
    'acoustic guitar,pedal steel,fiddle,vocals',
    84,
    132,
    0.75,
  ),
  genre(
    'soul',
    'soul rnb r&b gospel romance love date',
    'neo soul,contemporary r&b,motown',
    'electric piano,bass,drums,vocals',
    68,
    110,
    0.85,
  ),
  genre(
    'funk',
    'funk groove disco party retro 70s',
    'disco,nu funk,afrobeat',
    'bass,electric guitar,brass,drums',
    100,
    124,
    0.5,
  ),
  genre(
    'reggae',
    'reggae dub island tropical ska',
    'dub,roots reggae,ska',
    'bass,electric guitar,organ,drums',
    70,
    96,
    0.6,
  ),
  genre(
    'latin',
    'latin salsa samba bossa reggaeton flamenco spanish',
    'salsa,bossa nova,reggaeton',
    'percussion,nylon guitar,brass,vocals',
    90,
    128,
    0.65,
  ),
  genre(
    'corporate',
    'corporate business office presentation explainer startup product tutorial interview',
    'motivational,uplifting,technology',
    'acoustic guitar,piano,claps,synth',
    100,
    126,
    0.05,
  ),
  genre(
    'metal',
    'metal heavy thrash doom extreme',
    'heavy metal,metalcore,doom metal',
    'distorted guitar,drums,bass,vocals',
    110,
    180,
    0.6,
  ),
]

export const MOODS: readonly Mood[] = [
  mood(
    'happy',
    'happy cheerful joyful upbeat sunny fun playful kids birthday',
    'uplifting,carefree,playful',
    'high',
    false,
  ),
  mood(
    'uplifting',
    'uplifting inspiring inspirational motivational hopeful positive bright success',
    'happy,hopeful,confident',
    'medium',
    false,
  ),
  mood('calm', 'calm peaceful relaxing gentle soft quiet morning soothing slow', 'dreamy,warm,peaceful', 'low', false),
  mood('dreamy', 'dreamy ethereal floating hazy night underwater', 'calm,nostalgic,mysterious', 'low', false),
  mood(
    'sad',
    'sad melancholic melancholy somber heartbreak lonely rain emotional',
    'nostalgic,reflective,tender',
    'low',
    true,
  ),
  mood('dark', 'dark scary horror sinister ominous eerie crime', 'tense,mysterious,brooding', 'medium', true),
  mood('tense', 'tense suspense suspenseful thriller urgent nervous chase', 'dark,dramatic,restless', 'high', true),
  mood(
    'epic',
    'epic heroic powerful triumphant massive battle victory sport sports',
    'dramatic,confident,energetic',
    'high',
    true,
  ),
  mood(
    'energetic',
    'energetic driving fast workout running action party racing extreme energy',
    'confident,exciting,happy',
    'high',
    false,
  ),
  mood('romantic', 'romantic love wedding tender intimate sensual date', 'warm,tender,dreamy', 'low', false),
  mood('nostalgic', 'nostalgic retro vintage memories childhood 80s old', 'warm,reflective,dreamy', 'medium', false),
  mood('mysterious', 'mysterious mystery curious secret strange space', 'dark,dreamy,tense', 'low', true),
  mood('confident', 'confident cool swagger bold fashion street strong', 'energetic,groovy,uplifting', 'medium', false),
  mood('warm', 'warm cozy homely family autumn coffee acoustic', 'calm,nostalgic,romantic', 'low', false),
]

export const TITLE_WORDS = {
  first:
    'Golden,Silent,Broken,Velvet,Electric,Distant,Paper,Neon,Hidden,Wild,Slow,Northern,Glass,Burning,Empty,Crystal,Midnight,Open,Lucky,Faded'.split(
      ',',
    ),
  second:
    'Horizon,Rivers,Letters,Engines,Lanterns,Harbor,Signals,Meadow,Shadows,Avenue,Tides,Echoes,Summer,Orbit,Mirrors,Parade,Winter,Machines,Gardens,Skyline'.split(
      ',',
    ),
} as const

export const ARTIST_WORDS = {
  first: 'Mara,Otis,June,Felix,Iris,Noor,Theo,Lena,Hugo,Alma,Milo,Vera,Kaito,Ines,Ruben,Tove'.split(','),
  second:
    'Lindqvist,Okafor,Hale,Moreno,Castell,Brandt,Ivers,Novak,Tanaka,Quist,Farrow,Delacroix,Soto,Wilde,Bergman,Achebe'.split(
      ',',
    ),
} as const

function genre(
  name: string,
  words: string,
  subgenres: string,
  instruments: string,
  slowest: number,
  fastest: number,
  vocals: number,
): Genre {
  return {
    name,
    words: words.split(' '),
    subgenres: subgenres.split(','),
    instruments: instruments.split(','),
    bpm: [slowest, fastest],
    vocals,
  }
}

function mood(name: string, words: string, near: string, energy: Mood['energy'], minor: boolean): Mood {
  return { name, words: words.split(' '), near: near.split(','), energy, minor }
}
