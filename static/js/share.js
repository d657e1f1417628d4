// Copies the link at once. Without scripts the form records the same and shows the link to copy.
for (const form of document.querySelectorAll("[data-share]")) {
  const told = document.querySelector("[data-share-told]");
  form.addEventListener("submit", async (event) => {
    const { submitter } = event;
    if (submitter?.value !== "link" || !navigator.clipboard) return;
    event.preventDefault();
    const body = new URLSearchParams({ channel: submitter.value });
    const link = document.querySelector("#link");
    try {
      await navigator.clipboard.writeText(link.value);
    } catch {
      link.select();
      return;
    }
    told.textContent = form.dataset.copied;
    fetch(form.action, { method: "POST", body, redirect: "manual" });
  });
}
