/**
 * Keeps the page live: fetches it again every two seconds and replaces the parts marked
 * `data-live` that have changed. A part in which somebody is typing is left alone. Without this
 * script the page is complete, only not live.
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

function isInUse(part) {
  const { activeElement } = document
  const isTyped = [...part.querySelectorAll('input')].some((input) => input.value !== input.defaultValue)
  return isTyped || (part.contains(activeElement) && activeElement?.tagName === 'INPUT')
}

/** Keeps keyboard focus where it was. */
function replace(part, fresh) {
  const focusable = 'a, button, input, select'
  const position = [...part.querySelectorAll(focusable)].indexOf(document.activeElement)
  part.replaceWith(fresh)
  if (position >= 0) fresh.querySelectorAll(focusable)[position]?.focus({ preventScroll: true })
}

function parse(text) {
  return new DOMParser().parseFromString(text, 'text/html')
}

function show(text) {
  const fresh = parse(text)
  for (const part of document.querySelectorAll('[data-live]')) {
    const next = fresh.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`)
    if (next !== null && next.outerHTML !== part.outerHTML && !isInUse(part)) replace(part, next)
  }
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
  if (failures === 2)
    stale.textContent = `${cause || 'The board does not answer.'} This page shows the last state that it had.`
}

async function keepLive() {
  await refresh()
  setTimeout(keepLive, EVERY_MS)
}

// A page that asks for confirmation is the answer to a POST, and cannot be fetched again.
if (document.querySelector('[data-live]') !== null) {
  setTimeout(keepLive, EVERY_MS)
  document.addEventListener('visibilitychange', refresh)
}
