// Shows how far an upload has come and what was chosen. Without scripts the form uploads by itself.
// A form that uploads at once needs no second press; the note beside it is kept over the new page.
const note = document.querySelector("#note");

for (const form of document.querySelectorAll("[data-upload]")) {
  const progress = form.querySelector("[data-upload-progress]");
  const error = form.querySelector("[data-upload-error]");
  const preview = form.querySelector("[data-upload-preview]");

  form.elements.file.addEventListener("change", () => {
    preview.replaceChildren();
    const [file] = form.elements.file.files;
    if (!file || !file.type.startsWith("image/")) return;
    const picture = new Image();
    picture.className = "thumb";
    picture.alt = file.name;
    picture.src = URL.createObjectURL(file);
    picture.onload = () => URL.revokeObjectURL(picture.src);
    preview.append(picture);
  });
  if ("uploadAtOnce" in form.dataset) {
    if (note && !note.value) note.value = sessionStorage.getItem(form.action) ?? "";
    sessionStorage.removeItem(form.action);
    form.elements.file.addEventListener("change", () => {
      if (form.elements.file.files.length) form.requestSubmit();
    });
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.upload.onprogress = (step) => {
      if (step.lengthComputable) progress.value = step.loaded / step.total;
    };
    request.onload = () => {
      if (request.status < 400) {
        if (note?.value) sessionStorage.setItem(form.action, note.value);
        location.assign(request.responseURL || location.href);
        return;
      }
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      const told = page.querySelector("[role=alert] p, main .lead");
      fail(told ? told.textContent : form.dataset.failed);
    };
    request.onerror = () => fail(form.dataset.failed);

    function fail(text) {
      error.textContent = text;
      error.hidden = false;
      progress.hidden = true;
      button.disabled = false;
    }

    error.hidden = true;
    progress.hidden = false;
    progress.value = 0;
    button.disabled = true;
    request.send(new FormData(form));
  });
}
