// The editor of a plan: what its rewards can cost is counted by the server, and shown while somebody types.
const editor = document.getElementById("editor");
const PAUSE = 600;
let timer = 0;
let running = null;

// What is not right is marked at its field, as it would be after saving.
function mark(page) {
  for (const field of editor.elements) {
    const fresh = field.id && page.getElementById(field.id);
    if (!fresh) continue;
    for (const name of ["aria-invalid", "aria-describedby"]) {
      const value = fresh.getAttribute(name);
      if (value === null) field.removeAttribute(name);
      else field.setAttribute(name, value);
    }
    document.getElementById(`${field.id}-error`)?.remove();
    const error = page.getElementById(`${field.id}-error`);
    if (error) field.after(error);
  }
}

async function count() {
  running?.abort();
  running = new AbortController();
  const body = new URLSearchParams(new FormData(editor));
  body.set("action", "estimate");
  try {
    // The buttons are named «action» and hide the form's own property of that name.
    const answer = await fetch(editor.getAttribute("action"), { method: "POST", body, signal: running.signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    mark(page);
    const line = page.getElementById("estimate-line");
    if (line) document.getElementById("estimate-line").replaceChildren(...line.childNodes);
    const fresh = page.getElementById("estimate");
    const shown = document.getElementById("estimate");
    if (!fresh || shown.contains(document.activeElement)) return;
    fresh.querySelector("[data-estimate]")?.remove();
    shown.replaceChildren(...fresh.childNodes);
  } catch (error) {
    if (error.name !== "AbortError") console.info("The estimate was not renewed.");
  }
}

editor.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(count, PAUSE);
});
document.querySelector("[data-estimate]")?.remove();
