// The secret of a vote is made in the voter's own browser; the one in the page is for those without scripts.
for (const form of document.querySelectorAll("[data-fresh-nonce]")) {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  form.elements.nonce.value = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
