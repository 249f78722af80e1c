import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'

/** The template for the catalogs of `writeCatalog`. */
export const QUERY = '{title} {mood} music'

const MOODS = ['calm', 'dark', 'bright', 'epic', 'warm', 'tense', 'dreamy'] as const
const PLACES = ['harbour', 'market', 'forest', 'night train', 'kitchen', 'workshop', 'coast'] as const

/**
 * Writes a CSV like that of a video library: id, title, mood, note. Every row needs a search of its own.
 * @param name of the file; it is part of every title, so two files share no search
 */
export async function writeCatalog(dir: string, name: string, rows: number): Promise<string> {
  const path = join(dir, `${name}.csv`)
  const file = createWriteStream(path)
  file.write('id,title,mood,note\n')
  for (let from = 0; from < rows; from += 1000) {
    const lines = Array.from({ length: Math.min(1000, rows - from) }, (_, index) => line(name, from + index))
    if (!file.write(lines.join(''))) await once(file, 'drain')
  }
  file.end()
  await once(file, 'close')
  return path
}

function line(name: string, row: number): string {
  const mood = MOODS[row % MOODS.length]
  const place = PLACES[row % PLACES.length]
  return `vid-${row},"Scene ${row} in ${name}, the ${place}",${mood},take ${row % 9}\n`
}
