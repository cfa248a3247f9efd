// Keeps an open page true: listens to /events, fetches the page's `main` part, and changes only
// what differs, so that focus, open details, selection and scroll stay as they are.
'use strict';

const EVERY_MS = 300; // at most one refresh in this time
const SILENT_MS = 9000; // the server speaks at least every 2 s; this silent, the line is dead
const live = document.getElementById('live');
const liveWord = document.getElementById('live-word');
const main = () => document.getElementById('main');

let serverAhead = 0; // the server's clock minus this one, in ms
let lastTrue = Date.now(); // when this page was last known to be true
let state = 'still';
let busy = false;
let again = false;
let timer = 0;

// --- Times -------------------------------------------------------------------------------------

function spell(seconds) {
  const [d, h, m] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  const two = (large, small) => (parseInt(small) ? `${large} ${small}` : large);
  if (d) return two(`${d} d`, `${h} h`);
  if (h) return two(`${h} h`, `${m} min`);
  if (m >= 10) return `${m} min`;
  return m ? two(`${m} min`, `${seconds % 60} s`) : `${seconds} s`;
}

function tellTimes(root) {
  for (const time of root.querySelectorAll('time[data-as]')) {
    const at = Date.parse(time.dateTime);
    if (Number.isNaN(at)) continue;
    if (!time.title) time.title = time.textContent;
    const seconds = Math.max(0, Math.floor((Date.now() + serverAhead - at) / 1000));
    const text = time.dataset.as === 'for' ? spell(seconds) : seconds < 2 ? 'just now' : `${spell(seconds)} ago`;
    if (time.textContent !== text) time.textContent = text;
  }
}

// --- The indicator -----------------------------------------------------------------------------

function show(next) {
  state = next;
  const clock = new Date(lastTrue).toLocaleTimeString([], { hour12: false });
  const word = { live: 'live', reconnecting: 'reconnecting', stale: `stale since ${clock}`, still: 'not refreshed' }[state];
  if (live.dataset.state !== state) live.dataset.state = state;
  if (liveWord.textContent !== word) liveWord.textContent = word;
}

function madeTrue() {
  lastTrue = Date.now();
  show('live');
}

// --- Changing only what differs ----------------------------------------------------------------

const keyOf = (node) => (node.nodeType === 1 && node.id) || '';
const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

function morph(from, to) {
  if (from.nodeType !== 1) {
    if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
    return;
  }
  const theirs = (name) => name === 'open' && from.dataset.touched !== undefined; // a person's choice
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && name !== 'data-touched' && !theirs(name)) from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value && !theirs(name)) from.setAttribute(name, value);
  }
  let old = from.firstChild;
  for (const next of [...to.childNodes]) {
    let match = old;
    const key = keyOf(next);
    if (key) for (match = old; match && keyOf(match) !== key; ) match = match.nextSibling;
    if (match && alike(match, next)) {
      if (match === old) old = old.nextSibling;
      else from.insertBefore(match, old);
      morph(match, next);
    } else {
      from.insertBefore(document.importNode(next, true), old);
    }
  }
  while (old) {
    const gone = old;
    old = old.nextSibling;
    gone.remove();
  }
}

// --- Refreshing --------------------------------------------------------------------------------

async function refresh() {
  timer = 0;
  const source = main().dataset.source;
  if (!source || document.hidden) return;
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    const answer = await fetch(source, { headers: { 'X-Partial': 'main' }, cache: 'no-store', signal: AbortSignal.timeout(8000) });
    if (answer.headers.get('X-Partial') !== 'main') {
      // Logged out, or the cluster is starting again: the whole page has something to say. While
      // a new leader is elected there is no page: what is shown stays, and is marked as old.
      const isPage = (answer.headers.get('Content-Type') || '').startsWith('text/html');
      if (answer.status === 401 || (answer.status === 503 && isPage)) location.reload();
      throw new Error(`status ${answer.status}`);
    }
    const now = Date.parse(answer.headers.get('Date'));
    if (!Number.isNaN(now)) serverAhead = now - Date.now();
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('main');
    if (source !== main().dataset.source) return;
    tellTimes(fresh);
    morph(main(), fresh);
    document.title = main().dataset.title;
    madeTrue();
  } catch {
    show(Date.now() - lastTrue > SILENT_MS ? 'stale' : 'reconnecting');
  } finally {
    busy = false;
    if (again) {
      again = false;
      soon();
    }
  }
}

function soon() {
  if (!timer) timer = setTimeout(refresh, EVERY_MS);
}

// --- Listening ---------------------------------------------------------------------------------

let events = null;
let heard = Date.now();

function listen() {
  if (events) events.close();
  heard = Date.now();
  events = new EventSource('/events');
  events.addEventListener('changed', () => {
    heard = Date.now();
    soon();
  });
  events.onopen = soon;
  events.onerror = () => {
    show(Date.now() - lastTrue > SILENT_MS ? 'stale' : 'reconnecting');
    soon(); // finds out whether the session or only the line is gone
  };
}

document.addEventListener('click', (event) => {
  const details = event.target.closest('summary')?.parentElement;
  if (details) details.dataset.touched = '';
  const menu = document.querySelector('#me[open]');
  if (menu && !menu.contains(event.target)) menu.open = false;
});

document.addEventListener('keydown', (event) => {
  const open = event.key === 'Escape' && document.querySelector('#me[open], #abort[open]');
  if (!open) return;
  open.open = false;
  open.querySelector('summary').focus();
});

document.addEventListener('submit', (event) => {
  // A second press while the first is on its way would be refused, and alarm for nothing.
  setTimeout(() => event.target.querySelectorAll('button').forEach((button) => (button.disabled = true)));
});

addEventListener('pageshow', (event) => event.persisted && location.reload());
tellTimes(document);
setInterval(() => tellTimes(document), 1000);
if (main().dataset.source) {
  listen();
  setInterval(() => {
    if (document.hidden) return;
    if (Date.now() - heard > SILENT_MS) listen();
    if (Date.now() - lastTrue > SILENT_MS) show('stale');
  }, 1000);
  // A browser keeps few connections to one server: a page nobody sees gives its own back.
  document.addEventListener('visibilitychange', () => (document.hidden ? events.close() : listen()));
  addEventListener('pagehide', () => events.close());
} else {
  show('still');
}
