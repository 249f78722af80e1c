/**
 * Keeps a page live that is marked so: fetches it again every two seconds and changes what differs, in place. So focus,
 * selected text, a button that is held down and a text that somebody types stay. Without this script the page is
 * complete, only not live.
 */
const EVERY_MS = 2000
const stale = document.querySelector('.stale')
const spoken = document.createElement('p')
spoken.className = 'spoken'
spoken.setAttribute('role', 'status')
document.body.append(spoken)
let failures = 0
/** What the board says instead of a page. Empty: nothing. */
let cause = ''

/** What tells an element from its siblings: one cause, batch or moment never becomes another. */
const NAMES = ['id', 'aria-label', 'href', 'action', 'name', 'datetime']

function keyOf(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return node.nodeName
  const named = (node.matches('li') && node.querySelector('a, time')) || node
  const fields = node.matches('form') ? [...node.querySelectorAll('[type=hidden]')].map((field) => field.value) : []
  return JSON.stringify([node.nodeName, ...NAMES.map((name) => named.getAttribute(name)), ...fields])
}

/** Somebody is typing in it, or has typed. */
function isInUse(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return false
  const inputs = [...node.querySelectorAll('input')]
  return inputs.some((input) => input === document.activeElement || input.value !== input.defaultValue)
}

/** Replaces only what differs, so that text selected around it stays selected. */
function updateText(node, text) {
  const shorter = Math.min(node.length, text.length)
  let start = 0
  while (start < shorter && node.data[start] === text[start]) start += 1
  let end = 0
  while (end < shorter - start && node.data.at(-1 - end) === text.at(-1 - end)) end += 1
  node.replaceData(start, node.length - start - end, text.slice(start, text.length - end))
}

/** Makes `node` equal to `fresh`. */
function update(node, fresh) {
  if (node.isEqualNode(fresh)) return
  if (node.nodeType !== Node.ELEMENT_NODE) return updateText(node, fresh.data)
  for (const { name } of [...node.attributes]) if (!fresh.hasAttribute(name)) node.removeAttribute(name)
  for (const { name, value } of fresh.attributes) if (node.getAttribute(name) !== value) node.setAttribute(name, value)
  const left = [...node.childNodes]
  const pairs = [...fresh.childNodes].map((child) => {
    const at = left.findIndex((known) => keyOf(known) === keyOf(child))
    return { child, known: at < 0 ? null : left.splice(at, 1)[0] }
  })
  for (const gone of left) if (!isInUse(gone)) gone.remove()
  let next = node.firstChild
  for (const { child, known } of pairs) {
    if (known !== null) update(known, child)
    if (known !== null && known === next) next = next.nextSibling
    else node.insertBefore(known ?? child, next)
  }
}

function parse(text) {
  return new DOMParser().parseFromString(text, 'text/html')
}

function show(text) {
  const fresh = parse(text)
  const focused = document.activeElement
  for (const part of ['header nav', 'main']) {
    const next = fresh.querySelector(part)
    if (next !== null) update(document.querySelector(part), next)
  }
  // A part that changes its place loses the focus.
  if (focused.isConnected) focused.focus({ preventScroll: true })
  if (document.title !== fresh.title) {
    document.title = fresh.title
    // Only a change of the state is read aloud, not every new number.
    spoken.textContent = document.querySelector('#state')?.textContent?.trim() ?? ''
  }
}

async function refresh() {
  if (document.hidden) return
  try {
    const response = await fetch(location.href, {
      headers: { accept: 'text/html' },
      signal: AbortSignal.timeout(10_000),
    })
    const text = await response.text()
    if (response.ok) show(text)
    failures = response.ok ? 0 : failures + 1
    cause = response.ok ? '' : (parse(text).querySelector('.cause')?.textContent ?? '')
  } catch {
    failures += 1
    cause = ''
  }
  if (stale === null) return
  stale.hidden = failures < 2
  const notice = `${cause || 'The board does not answer.'} This page shows the last state that it had.`
  if (failures >= 2 && stale.textContent !== notice) stale.textContent = notice
}

async function keepLive() {
  await refresh()
  setTimeout(keepLive, EVERY_MS)
}

// A page that asks for confirmation is the answer to a POST, and cannot be fetched again.
if (document.querySelector('main[data-live]') !== null) {
  setTimeout(keepLive, EVERY_MS)
  document.addEventListener('visibilitychange', refresh)
}
