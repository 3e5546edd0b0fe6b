// While a run goes on, its page is fetched again every two seconds. Without this script a
// reload does the same.
(() => {
  "use strict";
  const EVERY_MS = 2000;
  const page = document.getElementById("po-live");

  async function refresh() {
    try {
      const answer = await fetch(page.dataset.url, { credentials: "same-origin" });
      if (answer.ok && !answer.redirected) {
        // Open tables of numbers stay open.
        const open = [...page.querySelectorAll("details")].map((each) => each.open);
        page.innerHTML = await answer.text();
        page.querySelectorAll("details").forEach((each, n) => { each.open = open[n] || each.open; });
        if (answer.headers.get("X-Active") !== "1") return;
      }
    } catch (error) {
      // The server is away for a moment: the next round will tell.
      console.warn("perfops:", error);
    }
    window.setTimeout(refresh, EVERY_MS);
  }

  if (page && page.dataset.active !== undefined) window.setTimeout(refresh, EVERY_MS);
})();
