// Times are sent in the server's zone; they are shown in the reader's, with UTC when pointed at.
(() => {
  "use strict";
  const two = (number) => String(number).padStart(2, "0");
  const zone = (at) => new Intl.DateTimeFormat("en", { timeZoneName: "short" })
    .formatToParts(at).find((part) => part.type === "timeZoneName").value;

  function show(time) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) return;
    const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    time.textContent = `${day} ${two(at.getHours())}:${two(at.getMinutes())} ${zone(at)}`;
    time.dataset.shown = "";
  }

  const showAll = () => document.querySelectorAll("time[datetime]:not([data-shown])").forEach(show);
  showAll();
  // A live page brings new ones, and puts back what was sent.
  new MutationObserver(showAll).observe(document.body, {
    childList: true, subtree: true, attributeFilter: ["data-shown"],
  });
})();
