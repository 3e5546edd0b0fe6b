// "/" goes to the search, from wherever nothing is being typed.
document.addEventListener("keydown", (event) => {
  "use strict";
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const field = document.getElementById("po-find");
  if (!field) return;
  event.preventDefault();
  field.focus();
  field.select();
});
