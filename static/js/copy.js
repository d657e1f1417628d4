// Copies the link of a page by a button, which is there only where that can be done.
import { copied } from "/static/js/clipboard.js";

for (const place of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  place.hidden = false;
  const link = document.querySelector("#link");
  const told = document.querySelector("[data-copy-told]");
  place.querySelector("button").addEventListener("click", async () => {
    told.textContent = (await copied(link)) ? place.dataset.copied : place.dataset.refused;
  });
}
