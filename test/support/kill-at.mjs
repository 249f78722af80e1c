/**
 * Makes a process kill itself (SIGKILL: no handler, no flush) at one exact point: before or after one
 * method of its parts, the n-th time it is called.
 *
 *   KILL_AT="before store.calls.close 3"   the answer has come, its commit has not
 *   KILL_AT="after store.calls.claim"      the claim is committed, nothing was sent
 *   KILL_AT="half queue.searches.add"      half of the list that it was given is done
 */
export function killAt(parts, order = process.env.KILL_AT) {
  if (order === undefined) return parts
  const [, when, path, times] = /^(before|after|half) ([\w.]+)(?: (\d+))?$/.exec(order) ?? []
  if (path === undefined) throw new Error(`KILL_AT cannot be read: ${order}`)
  return wrapped(parts, path.split('.'), (method) => mortal(method, when, Number(times ?? 1)))
}

function mortal(method, when, times) {
  let called = 0
  return async (...words) => {
    called += 1
    if (called !== times) return method(...words)
    if (when === 'half') await method(words[0].slice(0, words[0].length >> 1), ...words.slice(1))
    if (when === 'after') await method(...words)
    return die()
  }
}

/** A copy of the parts with that one method replaced. */
function wrapped(parts, [name, ...path], wrap) {
  if (parts[name] === undefined) throw new Error(`KILL_AT names a part that is not there: ${name}`)
  return { ...parts, [name]: path.length === 0 ? wrap(parts[name]) : wrapped(parts[name], path, wrap) }
}

export function die() {
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => {})
}
