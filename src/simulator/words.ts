/** A list of words, written as a sentence would be. */
export function words(text: string): readonly string[] {
  return text.split(' ')
}
