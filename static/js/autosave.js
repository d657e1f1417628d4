// Saves a step of the wizard while it is filled in. Without scripts the buttons do the same.
const WAIT_MS = 1500;
// What a browser still sends for a page that is gone.
const KEPT_BYTES = 60_000;

for (const form of document.querySelectorAll("[data-autosave]")) {
  const state = form.querySelector("[data-autosave-state]");
  const version = form.elements.edit_version;
  let timer = 0;
  let unsent = false;
  let busy = 0;
  let saving = Promise.resolve();

  function send(how) {
    // As parts, not as an address writes it: Chinese takes a third of the room.
    const body = new FormData(form);
    const size = [...body.values()].reduce((sum, value) => sum + 3 * value.length, 0);
    return fetch(form.action, {
      method: "POST",
      headers: { "X-Autosave": how },
      body,
      keepalive: size < KEPT_BYTES,
    });
  }

  async function save(how = "typing") {
    unsent = false;
    busy += 1;
    try {
      const answer = await send(how);
      if (answer.status === 204) {
        version.value = answer.headers.get("X-Edit-Version");
        state.textContent = form.dataset.saved;
      } else {
        const why = answer.headers.get("Content-Type")?.startsWith("text/plain") ? await answer.text() : "";
        state.textContent = `${form.dataset.unsaved} ${why}`;
      }
    } catch {
      state.textContent = form.dataset.unsaved;
    } finally {
      busy -= 1;
    }
  }

  function stop() {
    clearTimeout(timer);
    timer = 0;
  }

  // One after the other: each goes out with the version that the one before made.
  function queue() {
    stop();
    saving = saving.then(() => (unsent ? save() : null));
  }

  form.addEventListener("input", () => {
    unsent = true;
    clearTimeout(timer);
    timer = setTimeout(queue, WAIT_MS);
  });

  // A save that is under way would make this one stale: let it finish first.
  form.addEventListener("submit", (event) => {
    stop();
    unsent = false;
    if (busy === 0) return;
    event.preventDefault();
    saving.then(() => form.requestSubmit(event.submitter));
  });

  // Another tab or another app is often the last that a phone tells of.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden" && unsent) queue();
  });

  // Whoever leaves while typing finds it again, also while an older save runs, which nobody can wait for.
  addEventListener("pagehide", () => {
    stop();
    if (unsent) save(busy > 0 ? "leaving" : "typing");
  });
}
