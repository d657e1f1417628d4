// Saves a step of the wizard while it is filled in. Without scripts the buttons do the same.
const WAIT_MS = 1500;

for (const form of document.querySelectorAll("[data-autosave]")) {
  const state = form.querySelector("[data-autosave-state]");
  const version = form.elements.edit_version;
  let timer = 0;
  let busy = 0;
  let saving = Promise.resolve();

  function send(more = {}) {
    return fetch(form.action, {
      method: "POST",
      headers: { "X-Autosave": "1" },
      body: new URLSearchParams(new FormData(form)),
      ...more,
    });
  }

  async function save() {
    busy += 1;
    try {
      const answer = await send();
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

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = 0;
      saving = saving.then(save);
    }, WAIT_MS);
  });

  // A save that is under way would make this one stale: let it finish first.
  form.addEventListener("submit", (event) => {
    clearTimeout(timer);
    timer = 0;
    if (busy === 0) return;
    event.preventDefault();
    saving.then(() => form.requestSubmit(event.submitter));
  });

  // Whoever leaves while typing finds it again.
  addEventListener("pagehide", () => {
    if (timer === 0 || busy > 0) return;
    clearTimeout(timer);
    timer = 0;
    send({ keepalive: true }).catch(() => {});
  });
}
