// A page that shows a process renews its live parts when the process has moved on, and says so.
const live = document.getElementById("live");
const announcement = document.getElementById("announcement");
const behind = document.getElementById("behind");
const stale = document.getElementById("stale");

// What somebody is writing or has chosen must not be taken away, nor the place of the keyboard.
const touched = new WeakSet();
document.addEventListener("input", (event) => {
  const part = event.target.closest("#live, [data-live]");
  if (part) touched.add(part);
});

function inUse(part) {
  return touched.has(part) || "typed" in part.dataset || part.contains(document.activeElement);
}

// The keys of forms are new each time, and nothing that anybody sees.
function shown(part) {
  return part.innerHTML.replace(/(name="once" value=")[^"]*/g, "$1");
}

function differs(part, fresh) {
  return Boolean(fresh) && shown(part) !== shown(fresh);
}

function replace(part, fresh) {
  if (!differs(part, fresh)) return true;
  if (inUse(part)) return false;
  // By their words: what can be done changes, and nobody is to find another step open where theirs was.
  const open = new Set([...part.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent));
  part.replaceChildren(...fresh.childNodes);
  for (const summary of part.querySelectorAll("details > summary")) {
    summary.parentElement.open ||= open.has(summary.textContent);
  }
  part.classList.add("fresh");
  return true;
}

async function fetchAnew() {
  const answer = await fetch(live.dataset.page || location.pathname, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) throw new Error(`the page answers ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const parts = [live, ...document.querySelectorAll("[data-live]")];
  const fresh = page.getElementById("live");
  // What is a page of another kind by now (a plan sent back is a form again) is opened anew as a whole.
  if (!fresh && !parts.some(inUse)) return location.reload();
  const changed = parts.some((part) => differs(part, page.getElementById(part.id)));
  const kept = parts.filter((part) => !replace(part, page.getElementById(part.id)));
  if (behind) behind.hidden = Boolean(fresh) && kept.length === 0;
  if (changed) announcement.textContent = announcement.dataset.text;
  document.dispatchEvent(new Event("renewed"));
}

const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 60_000;
let pause = FIRST_PAUSE_MS;
let timer = 0;
let running = false;
let again = false;

// One at a time, and once more for what changed meanwhile. What failed is told and tried again.
async function renew() {
  again = true;
  if (running) return;
  clearTimeout(timer);
  running = true;
  live.setAttribute("aria-busy", "true");
  try {
    while (again) {
      again = false;
      await fetchAnew();
    }
    stale.hidden = true;
    pause = FIRST_PAUSE_MS;
  } catch {
    stale.hidden = false;
    timer = setTimeout(renew, pause);
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  } finally {
    running = false;
    live.removeAttribute("aria-busy");
  }
}

let broken = false;

// What changed while the stream was broken is told by no event of the next one. A browser tries again what
// was cut off, but gives up a stream that is answered with an error, as by a proxy while the API starts anew.
function listen(wait) {
  const source = new EventSource(live.dataset.events);
  let another = 0;
  source.addEventListener("changed", renew);
  source.addEventListener("error", () => {
    broken = true;
    if (source.readyState !== EventSource.CLOSED) return;
    another = setTimeout(listen, wait, Math.min(2 * wait, LONGEST_PAUSE_MS));
  });
  source.addEventListener("open", () => {
    wait = FIRST_PAUSE_MS;
    if (broken) renew();
    broken = false;
  });
  addEventListener("pagehide", () => {
    clearTimeout(another);
    source.close();
  });
}

if (live && live.dataset.events) listen(FIRST_PAUSE_MS);
