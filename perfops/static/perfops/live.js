// While a run goes on (or sessions, which always do), what changes of its page is fetched every two
// seconds and put in place: the elements stay, so focus, scrolling, open tables and screen readers
// are left alone. Without this script a reload does the same.
(() => {
  "use strict";
  const EVERY_MS = 2000;
  const page = document.getElementById("po-live");
  const pause = document.querySelector("[data-pause]");
  let tag = "";
  let paused = false;

  function changeAttributes(now, wanted) {
    // What charts.js gave an element stays.
    const gone = now.dataset.scripted === undefined ? [...now.attributes] : [];
    for (const { name } of gone) {
      // A reader opens and closes tables, not the server.
      if (name !== "open" && !wanted.hasAttribute(name)) now.removeAttribute(name);
    }
    for (const { name, value } of wanted.attributes) {
      if (now.getAttribute(name) !== value) now.setAttribute(name, value);
    }
  }

  // Make the children of `place` those of `other`, keeping each that is of the same kind.
  function changeChildren(place, other) {
    const wanted = [...other.childNodes];
    wanted.forEach((next, n) => {
      const now = place.childNodes[n];
      if (now === undefined) {
        place.append(next);
      } else if (now.nodeName !== next.nodeName) {
        now.replaceWith(next);
      } else if (now.nodeType !== Node.ELEMENT_NODE) {
        if (now.nodeValue !== next.nodeValue) now.nodeValue = next.nodeValue;
      } else if (!now.isEqualNode(next)) {
        changeAttributes(now, next);
        changeChildren(now, next);
      }
    });
    while (place.childNodes.length > wanted.length) place.lastChild.remove();
  }

  function show(html) {
    const made = document.createElement("template");
    made.innerHTML = html;
    changeChildren(page, made.content);
    document.dispatchEvent(new Event("perfops:changed"));
    const title = page.querySelector("[data-title]")?.dataset.title;
    if (title) document.title = title + (page.dataset.titleEnd || "");
  }

  function end() {
    delete page.dataset.active;
    document.querySelectorAll("[data-while]").forEach((each) => {
      const { activeElement } = document;
      each.hidden = each.dataset.while === "active";
      if (each.hidden && each.contains(activeElement)) {
        // What had the focus is gone: the next Tab goes on from here.
        page.tabIndex = -1;
        page.focus({ preventScroll: true });
      }
    });
  }

  async function refresh() {
    try {
      const headers = tag ? { "If-None-Match": tag } : {};
      // A page that nobody sees asks for nothing.
      const answer = document.hidden || paused
        ? null : await fetch(page.dataset.url, { credentials: "same-origin", headers });
      if (answer?.ok && !answer.redirected) {
        tag = answer.headers.get("ETag") || "";
        show(await answer.text());
        if (answer.headers.get("X-Active") !== "1") {
          end();
          return;
        }
      }
    } catch (error) {
      // The server is away for a moment: the next round will tell.
      console.warn("perfops:", error);
    }
    window.setTimeout(refresh, EVERY_MS);
  }

  if (page && page.dataset.active !== undefined) window.setTimeout(refresh, EVERY_MS);
  if (page && pause) {
    pause.hidden = false;
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.textContent = paused ? "Go on" : "Pause";
    });
  }
})();
