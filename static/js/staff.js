// Keyboard shortcuts of the desk. They are off while typing and for whoever switches them off.
const OFF = "kameng-keys-off";
const help = document.querySelector("[data-keys]");
const toggle = document.querySelector("[data-keys-on]");

help.hidden = false;
toggle.checked = !localStorage.getItem(OFF);
toggle.addEventListener("change", () => {
  if (toggle.checked) localStorage.removeItem(OFF);
  else localStorage.setItem(OFF, "1");
  mark();
});

function mark() {
  for (const hint of document.querySelectorAll("main label kbd")) hint.hidden = !toggle.checked;
}

// The reasons matter only for a decision against the applicant: choosing one brings them to the eye.
function choose() {
  const chosen = document.querySelector("[data-decision] [name=decision]:checked");
  const reasons = document.querySelector("[data-reasons]");
  if (reasons) reasons.hidden = chosen !== null && chosen.value === "approve";
}

function isTyping(target) {
  return target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]") !== null;
}

function step(by) {
  const links = [...document.querySelectorAll("[data-queue] th a")];
  const at = links.indexOf(document.activeElement);
  const next = links[at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + by, 0), links.length - 1)];
  if (next) next.focus();
}

function nextDocument() {
  const all = [...document.querySelectorAll("[data-document]")];
  if (all.length === 0) return;
  const at = all.findLastIndex((details) => details.open);
  for (const details of all) details.open = false;
  const next = all[(at + 1) % all.length];
  next.open = true;
  next.querySelector("summary").focus();
  next.scrollIntoView({ block: "nearest" });
}

function press(key) {
  const target = document.querySelector(`main [data-key="${CSS.escape(key)}"]`);
  if (!target) return false;
  target.focus();
  if (target.tagName !== "TEXTAREA") target.click();
  return true;
}

function act(key) {
  if (key === "j") step(1);
  else if (key === "k") step(-1);
  else if (key === "d") nextDocument();
  else if (key === "/" && document.getElementById("q")) document.getElementById("q").focus();
  else if (key === "?") {
    help.open = true;
    help.querySelector("summary").focus();
  } else return press(key);
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  if (!toggle.checked || isTyping(event.target)) return;
  if (act(event.key)) event.preventDefault();
});
document.addEventListener("change", choose);
document.addEventListener("renewed", () => {
  mark();
  choose();
});
mark();
choose();
// After a refusal the message is the first thing to read.
document.querySelector("main [role=alert][tabindex]")?.focus();
