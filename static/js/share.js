// Copies the link at once. Without scripts the form records the same and shows the link to copy.
import { copied } from "/static/js/clipboard.js";

for (const form of document.querySelectorAll("[data-share]")) {
  const told = document.querySelector("[data-share-told]");
  form.addEventListener("submit", async (event) => {
    const { submitter } = event;
    if (submitter?.value !== "link" || !navigator.clipboard) return;
    event.preventDefault();
    const body = new URLSearchParams({ channel: submitter.value });
    // Passed on by hand it counts as well.
    fetch(form.action, { method: "POST", body, redirect: "manual" });
    const done = await copied(document.querySelector("#link"));
    told.textContent = done ? form.dataset.copied : form.dataset.refused;
  });
}
