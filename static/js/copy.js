// Copies the link of a page by a button, which is there only where that can be done.
for (const place of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  place.hidden = false;
  const link = document.querySelector("#link");
  place.querySelector("button").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(link.value);
      document.querySelector("[data-copy-told]").textContent = place.dataset.copied;
    } catch {
      link.select();
    }
  });
}
