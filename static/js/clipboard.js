// Copies what is in a field; where the browser refuses, the text is selected for copying by hand.
export async function copied(field) {
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    field.focus();
    field.select();
    return false;
  }
}
