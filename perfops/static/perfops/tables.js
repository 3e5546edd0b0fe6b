// On a phone a row of a wide table becomes a card (perfops.css, .po-cards): each cell gets the name of
// its column, and the roles that a table loses when it is laid out otherwise.
(() => {
  "use strict";
  const ROLES = { TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell" };

  function give(element, name, value) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }

  function label(table) {
    const head = table.tHead?.rows[0];
    if (!head) return;
    const names = [...head.cells].map((cell) =>
      (cell.querySelector(".text") || cell).textContent.replace(/[↑↓]/g, "").trim());
    table.classList.add("po-cards");
    [table, ...table.querySelectorAll("thead, tbody, tr, td")].forEach((each) =>
      give(each, "role", ROLES[each.tagName]));
    [...head.cells].forEach((cell) => give(cell, "role", "columnheader"));
    [...table.tBodies].flatMap((body) => [...body.rows]).forEach((row) => {
      // A row that is one sentence is none of columns.
      if (row.cells.length !== names.length) return;
      [...row.cells].forEach((cell, n) => {
        if (cell.tagName === "TH") give(cell, "role", "rowheader");
        else if (names[n]) give(cell, "data-label", names[n]);
      });
    });
  }

  const labelAll = () => document.querySelectorAll(".po-table, #result_list").forEach(label);
  labelAll();
  document.addEventListener("perfops:changed", labelAll);
})();
