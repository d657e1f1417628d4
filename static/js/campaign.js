// The editor of a plan: what its rewards can cost is counted by the server, and shown while somebody types.
const editor = document.getElementById("editor");
const PAUSE = 600;
let timer = 0;
let running = null;

async function count() {
  running?.abort();
  running = new AbortController();
  const body = new URLSearchParams(new FormData(editor));
  body.set("action", "estimate");
  try {
    // The buttons are named «action» and hide the form's own property of that name.
    const answer = await fetch(editor.getAttribute("action"), { method: "POST", body, signal: running.signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
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
