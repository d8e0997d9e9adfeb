// Escape closes a field that is being edited.
"use strict";

document.addEventListener("keydown", (event) => {
  const form = event.key === "Escape" && event.target.closest("form.edit");
  if (form) form.querySelector("[data-cancel]").click();
});
