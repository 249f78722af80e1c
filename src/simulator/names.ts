import { words } from './words.js'

/** What made-up titles and artists are put together from. */
export const TITLE_STARTS = words(
  'Golden Silent Broken Velvet Electric Distant Paper Neon Hidden Wild Slow Northern Glass Burning Empty Crystal Midnight Open Lucky Faded',
)
export const TITLE_ENDS = words(
  'Horizon Rivers Letters Engines Lanterns Harbor Signals Meadow Shadows Avenue Tides Echoes Summer Orbit Mirrors Parade Winter Machines Gardens Skyline',
)
export const FIRST_NAMES = words('Mara Otis June Felix Iris Noor Theo Lena Hugo Alma Milo Vera Kaito Ines Ruben Tove')
export const LAST_NAMES = words(
  'Lindqvist Okafor Hale Moreno Castell Brandt Ivers Novak Tanaka Quist Farrow Delacroix Soto Wilde Bergman Achebe',
)
