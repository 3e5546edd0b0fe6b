// Charts are drawn by the server; this reads them by pointer, touch and keyboard. The figures are
// those of the strips that carry the tooltips without a script, so a page sends nothing twice.
//
// One place and one zoom for all charts of a page that share their x. What this script changes is
// marked `data-scripted`: live.js leaves it alone, and says "perfops:changed" when it is done.
(() => {
  "use strict";
  const STEP = 2;
  const groups = new Map();
  let dragged = null;

  const plots = () => [...document.querySelectorAll(".po-plot")];
  const inner = (plot) => plot.querySelector("svg svg");
  const number = (element, name) => Number(element.getAttribute(name));

  // The strips of a chart: where each is, and what it says, first its x.
  function strips(plot) {
    return [...plot.querySelectorAll(".po-hover")].map((strip) => {
      const [x, ...values] = strip.textContent.split("\n");
      return { x, values, at: number(strip, "x") + number(strip, "width") / 2 };
    });
  }

  function group(plot) {
    const name = plot.dataset.x;
    if (!groups.has(name)) groups.set(name, { x: null, from: 0, to: 1 });
    return groups.get(name);
  }

  // The part of a chart that is zoomed to, in the chart's own units.
  function part(plot) {
    const { left, right } = plot.dataset;
    const { from, to } = group(plot);
    const width = right - left;
    return { start: Number(left) + from * width, width: (to - from) * width, whole: width };
  }

  const nearest = (found, at) =>
    found.reduce((best, each) => (Math.abs(each.at - at) < Math.abs(best.at - at) ? each : best));

  function set(element, name, value) {
    if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  }

  function drawZoom(plot, found) {
    const { start, width, whole } = part(plot);
    const [, top, , height] = inner(plot).getAttribute("viewBox").split(" ");
    set(inner(plot), "viewBox", `${start} ${top} ${width} ${height}`);
    plot.querySelectorAll(".po-x").forEach((tick) => {
      const share = (number(tick, "x") - plot.dataset.left) / whole;
      const label = width === whole ? tick.dataset.label : nearest(found, start + share * width).x;
      if (tick.textContent !== label) tick.textContent = label;
    });
  }

  function drawPlace(plot, found) {
    const { x } = group(plot);
    const n = x === null ? -1 : found.findIndex((each) => each.x === x);
    const line = plot.querySelector(".po-cross");
    const readout = plot.parentElement.querySelector(".po-readout");
    const here = found[n];
    const words = here ? [here.x, ...here.values] : [];
    if (here) ["x1", "x2"].forEach((name) => set(line, name, here.at));
    line.classList.toggle("po-is-on", Boolean(here));
    if (readout.textContent !== words.join(" · ")) readout.textContent = words.join(" · ");
    set(plot, "aria-valuenow", n < 0 ? 0 : n);
    set(plot, "aria-valuetext", here ? words.join(", ") : "no place chosen");
  }

  function draw(plot) {
    const found = strips(plot);
    if (!found.length) return;
    const width = plot.clientWidth;
    // One unit of the drawing is so many pixels: writing keeps its size.
    if (width) plot.style.setProperty("--po-unit", String(plot.dataset.width / width));
    if (plot.dataset.scripted === undefined) {
      plot.dataset.scripted = "";
      [inner(plot), plot.querySelector(".po-cross")].forEach((e) => { e.dataset.scripted = ""; });
      Object.entries({
        role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-description": "Arrow keys read the values, + and - zoom.",
      }).forEach(([name, value]) => plot.setAttribute(name, value));
      sizes.observe(plot);
    }
    set(plot, "aria-label", plot.querySelector("svg").getAttribute("aria-label"));
    set(plot, "aria-valuemax", found.length - 1);
    drawZoom(plot, found);
    drawPlace(plot, found);
  }

  const drawAll = () => plots().forEach(draw);
  const sizes = new ResizeObserver(drawAll);

  function zoom(plot, from, to) {
    const its = group(plot);
    const width = Math.min(1, Math.max(to - from, 2 / Math.max(2, strips(plot).length)));
    its.from = Math.min(Math.max(0, from), 1 - width);
    its.to = its.from + width;
    drawAll();
  }

  // By `factor`, around the place that was chosen, else the middle.
  function zoomBy(plot, factor) {
    const { from, to, x } = group(plot);
    const place = strips(plot).find((each) => each.x === x);
    const { left, right } = plot.dataset;
    const middle = place ? (place.at - left) / (right - left) : (from + to) / 2;
    const width = (to - from) * factor;
    const before = width * ((middle - from) / (to - from));
    zoom(plot, middle - before, middle - before + width);
  }

  // Where a pointer is: 0 to 1 of the whole x axis.
  function share(plot, event) {
    const picture = plot.querySelector("svg").getBoundingClientRect();
    const unit = picture.width / plot.dataset.width;
    const left = picture.left + plot.dataset.left * unit;
    const { from, to } = group(plot);
    const within = (event.clientX - left) / ((plot.dataset.right - plot.dataset.left) * unit);
    return from + Math.min(1, Math.max(0, within)) * (to - from);
  }

  function choose(plot, at) {
    const { left, right } = plot.dataset;
    group(plot).x = nearest(strips(plot), Number(left) + at * (right - left)).x;
    drawAll();
  }

  function move(plot, by) {
    const { start, width } = part(plot);
    const seen = strips(plot).filter((e) => e.at >= start - 0.01 && e.at <= start + width + 0.01);
    const now = seen.findIndex((each) => each.x === group(plot).x);
    const wanted = now < 0 ? (by < 0 ? seen.length - 1 : 0) : now + by;
    group(plot).x = seen[Math.min(seen.length - 1, Math.max(0, wanted))].x;
    drawAll();
  }

  const KEYS = {
    ArrowRight: (plot) => move(plot, 1), ArrowUp: (plot) => move(plot, 1),
    ArrowLeft: (plot) => move(plot, -1), ArrowDown: (plot) => move(plot, -1),
    PageUp: (plot) => move(plot, 10), PageDown: (plot) => move(plot, -10),
    Home: (plot) => move(plot, -Infinity), End: (plot) => move(plot, Infinity),
    "+": (plot) => zoomBy(plot, 1 / STEP), "=": (plot) => zoomBy(plot, 1 / STEP),
    "-": (plot) => zoomBy(plot, STEP), 0: (plot) => zoom(plot, 0, 1),
    Escape: (plot) => { group(plot).x = null; zoom(plot, 0, 1); },
  };

  function save(name, blob) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    window.setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  const fileName = (figure, end) =>
    `${figure.querySelector("strong").textContent.trim().toLowerCase().replace(/[^a-z0-9]+/g, "-")}.${end}`;

  // A spreadsheet runs what begins like a formula.
  const cell = (text) => `"${text.replace(/^([=+@\t\r]|-(?=.*[^-\d.e]))/, "'$1").replaceAll('"', '""')}"`;

  // Each column as a bare number, and as it is shown, with its unit.
  function saveCsv(figure) {
    const rows = [...figure.querySelectorAll("table tr")].map((row) =>
      [...row.cells].flatMap((each) => {
        const shown = each.textContent.trim();
        if (each.tagName === "TH") return each.cellIndex ? [shown, `${shown}, as shown`] : [shown];
        return each.dataset.value === undefined ? [shown] : [each.dataset.value, shown];
      }).map(cell).join(","));
    save(fileName(figure, "csv"), new Blob([`${rows.join("\r\n")}\r\n`], { type: "text/csv" }));
  }

  // Drawn on a canvas shape by shape: a picture of the SVG would need img-src blob:.
  function savePng(figure) {
    const plot = figure.querySelector(".po-plot");
    const { width, height } = plot.querySelector("svg").viewBox.baseVal;
    const scale = 2;
    const head = 26;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width * scale, (height + head) * scale];
    const on = canvas.getContext("2d");
    on.scale(scale, scale);
    on.fillStyle = getComputedStyle(figure).backgroundColor;
    on.fillRect(0, 0, width, height + head);
    const font = getComputedStyle(figure).fontFamily;
    on.fillStyle = getComputedStyle(figure).color;
    on.font = `600 14px ${font}`;
    on.fillText(figure.querySelector("strong").textContent, 8, 18);
    let right = width - 8;
    [...figure.querySelectorAll(".po-key")].reverse().forEach((key) => {
      on.font = `12px ${font}`;
      right -= on.measureText(key.textContent).width + 12;
      on.fillStyle = getComputedStyle(key, "::before").backgroundColor;
      on.fillText(key.textContent, right, 18);
    });
    on.translate(0, head);
    plot.querySelectorAll("line, path, text").forEach((each) => {
      const style = getComputedStyle(each);
      const moves = inner(plot).contains(each);
      const { start, whole, width: shown } = part(plot);
      if (each.matches(".po-cross:not(.po-is-on)") || style.display === "none") return;
      on.save();
      if (each.tagName === "text") {
        on.fillStyle = style.fill;
        on.font = `12px ${font}`;
        on.textAlign = { middle: "center", end: "right" }[style.textAnchor] || "left";
        const below = 12 * parseFloat(each.getAttribute("dy"));
        on.fillText(each.textContent, number(each, "x"), number(each, "y") + below);
      } else {
        const path = new Path2D(each.getAttribute("d")
          || `M${number(each, "x1")},${number(each, "y1")} L${number(each, "x2")},${number(each, "y2")}`);
        const all = new Path2D();
        const by = new DOMMatrix();
        if (moves) {
          by.translateSelf(Number(plot.dataset.left), 0).scaleSelf(whole / shown, 1)
            .translateSelf(-start, 0);
          on.beginPath();
          on.rect(plot.dataset.left - 2, 0, whole + 4, height);
          on.clip();
        }
        all.addPath(path, by);
        on.strokeStyle = style.stroke;
        on.lineWidth = parseFloat(style.strokeWidth);
        on.lineCap = style.strokeLinecap;
        on.lineJoin = "round";
        on.setLineDash((style.strokeDasharray.match(/[\d.]+/g) || []).map(Number));
        on.stroke(all);
      }
      on.restore();
    });
    canvas.toBlob((blob) => save(fileName(figure, "png"), blob));
  }

  const ACTIONS = {
    in: (figure, plot) => zoomBy(plot, 1 / STEP), out: (figure, plot) => zoomBy(plot, STEP),
    csv: saveCsv, png: savePng,
  };

  const plotOf = (event) => event.target.closest?.(".po-plot");

  document.addEventListener("keydown", (event) => {
    const plot = plotOf(event);
    if (!plot || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
    event.preventDefault();
    KEYS[event.key](plot);
  });
  document.addEventListener("pointermove", (event) => {
    const plot = plotOf(event);
    if (plot) choose(plot, share(plot, event));
  });
  document.addEventListener("pointerdown", (event) => {
    const plot = plotOf(event);
    if (!plot || event.button) return;
    choose(plot, share(plot, event));
    // A finger that is moved scrolls; a mouse marks what to zoom to.
    if (event.pointerType === "mouse") dragged = { plot, from: share(plot, event), x: event.clientX };
  });
  document.addEventListener("pointerup", (event) => {
    const began = dragged;
    dragged = null;
    if (!began?.plot.isConnected || Math.abs(event.clientX - began.x) < 8) return;
    const to = share(began.plot, event);
    zoom(began.plot, Math.min(began.from, to), Math.max(began.from, to));
  });
  document.addEventListener("dblclick", (event) => {
    const plot = plotOf(event);
    if (plot) zoom(plot, 0, 1);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-chart]");
    if (!button) return;
    const figure = button.closest(".po-chart");
    ACTIONS[button.dataset.chart](figure, figure.querySelector(".po-plot"));
  });
  document.addEventListener("perfops:changed", drawAll);
  document.documentElement.classList.add("po-scripted");
  drawAll();
})();
