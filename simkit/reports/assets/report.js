// Makes the figures of a report ones that can be pointed at. The page is whole without it: each figure is an SVG
// that stays for print. What is chosen is kept in the address after #, so that a view can be sent as a link.
(() => {
  "use strict";
  const { charts: figures, texts } = JSON.parse(document.getElementById("report-data").textContent);
  const FEW = 300, DOTS = 60, MOST_PINS = 4;
  const SHAPES = { o: "circle", "^": "triangle", s: "rect", D: "rectRot" };
  const views = new Map();
  const state = new URLSearchParams(location.hash.slice(1));
  const pins = (state.get("pin") || "").split(" ").filter(Boolean);
  const panel = document.getElementById("pinned");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const at = (list, i) => (list && list[i] !== undefined ? list[i] : null);

  function make(tag, text, attributes) {
    const found = document.createElement(tag);
    if (text) found.textContent = text;
    for (const [key, value] of Object.entries(attributes || {})) found.setAttribute(key, value);
    return found;
  }

  function remember(key, value) {
    if (value) state.set(key, value); else state.delete(key);
    history.replaceState(null, "", "#" + state.toString());
  }

  // What a point says is kept as a place in the page's texts, or of many points as the places of its parts.
  function nameOf(series, i) {
    const name = at(series.names, i);
    if (name === null) return "";
    return Array.isArray(name) ? name.map((part) => texts[part]).join(", ") : texts[name];
  }

  // Of a logarithmic axis only 1, 2, 3 and 5 of each power are named: its ends are seldom round.
  function tick(value, log) {
    const lead = value / 10 ** Math.floor(Math.log10(Math.abs(value) || 1));
    if (log && ![1, 2, 3, 5].some((round) => Math.abs(lead - round) < 1e-6)) return "";
    const short = Number(value.toPrecision(6));
    return Math.abs(short) >= 1e4 ? `${Number((short / 1e3).toPrecision(4))}k` : short.toLocaleString("en");
  }

  function starred(fill) {
    const found = document.createElement("canvas"), pen = found.getContext("2d");
    found.width = found.height = 22;
    pen.beginPath();
    for (let n = 0; n < 10; n++) {
      const far = n % 2 ? 4.4 : 10, turn = (n * Math.PI) / 5 - Math.PI / 2;
      pen.lineTo(11 + far * Math.cos(turn), 11 + far * Math.sin(turn));
    }
    pen.closePath();
    pen.fillStyle = fill; pen.fill();
    pen.strokeStyle = colour("--ink"); pen.stroke();
    return found;
  }

  // --- what a figure shows now: axes chosen, series shown ------------------------------------------

  class View {
    constructor(name, spec, place) {
      Object.assign(this, { name, spec, place });
      const chosen = (key, otherwise) => (state.has(`${name}.${key}`) ? state.get(`${name}.${key}`) : otherwise);
      this.log = { x: chosen("lx", spec.x.log ? "1" : "0") === "1", y: chosen("ly", spec.y.log ? "1" : "0") === "1" };
      this.axis = { x: chosen("x", ""), y: chosen("y", "") };
      this.off = new Set(chosen("off", "").split("|").filter(Boolean));
      this.controls();
      this.draw();
    }

    values(series, side) {
      const place = (this.spec.choices || []).indexOf(this.axis[side]);
      return place < 0 ? series[side] : series.extra[place];
    }

    label(side) { return this.axis[side] || this.spec[side].label; }

    shown(series) {
      if (series.label) return !this.off.has(series.label);
      const named = this.spec.series.filter((other) => other.label && other.group && other.group === series.group);
      return !named.length || named.some((other) => !this.off.has(other.label));
    }

    points(series) {
      const xs = this.values(series, "x") || [], ys = this.values(series, "y") || [], found = [];
      for (let i = 0; i < xs.length; i++) {
        const x = xs[i], y = ys[i];
        if (x === null || y === null || (this.log.x && x <= 0) || (this.log.y && y <= 0)) continue;
        found.push({ x, y, i });
      }
      return found;
    }

    own() { return !this.axis.x && !this.axis.y; } // bounds and intervals belong to the figure's own axes

    datasets() {
      return this.spec.series.map((series) => {
        const data = this.points(series), many = data.length > FEW, line = series.kind === "line" && this.own(), star = series.marker === "*";
        const hollow = (p) => series.doubtful && series.doubtful[p.i];
        return {
          label: series.label || "", data, parsing: false, hidden: !this.shown(series),
          showLine: line, borderColor: series.colour, borderWidth: 1.8,
          borderDash: series.dashed ? [5, 4] : [], tension: 0,
          pointStyle: star ? starred(series.colour) : SHAPES[series.marker || "o"], pointRadius: star ? 9 : line && data.length > DOTS ? 0 : many ? 2 : 4,
          pointHoverRadius: star ? 11 : 7, pointHitRadius: 6,
          pointBorderColor: star ? colour("--ink") : series.colour, pointBorderWidth: star ? 2.5 : 1.4,
          pointBackgroundColor: many ? series.colour : data.map((p) => (hollow(p) ? "transparent" : series.colour)),
          order: star ? 0 : 1,
        };
      });
    }

    scale(side) {
      const axis = this.spec[side], own = !this.axis[side];
      const found = {
        type: this.log[side] ? "logarithmic" : "linear", title: { display: true, text: this.label(side), color: colour("--ink") },
        grid: { color: colour("--line") }, ticks: { color: colour("--soft"), maxTicksLimit: 8, includeBounds: false, maxRotation: 0, callback: (v) => tick(v, this.log[side]) },
        beginAtZero: !this.log[side] && own && Boolean(axis.from_zero),
      };
      if (own) Object.assign(found, this.range(side));
      if (axis.categories && own) {
        Object.assign(found, { type: "linear", min: -0.5, max: axis.categories.length - 0.5, reverse: side === "y" });
        found.afterBuildTicks = (built) => { built.ticks = axis.categories.map((_, value) => ({ value })); };
        found.ticks = { color: colour("--soft"), autoSkip: false,
          callback: (value) => (Number.isInteger(value) ? axis.categories[value] || "" : "") };
      }
      return found;
    }

    range(side) { // with intervals and bounds, which Chart.js does not know of
      const found = [];
      for (const series of this.spec.series) {
        const ends = side === "x" ? [series.x_lo, series.x_hi] : [series.lo, series.hi];
        const parts = series.x.length > FEW && !series.band ? [] : ends;
        for (const list of [series[side], ...parts]) for (const value of list || []) if (value !== null && (!this.log[side] || value > 0)) found.push(value);
      }
      for (const item of this.spec.bounds || []) if ((item.axis || "y") === side && item.value) found.push(item.value);
      if (!found.length) return {};
      const low = found.reduce((a, b) => Math.min(a, b)), high = found.reduce((a, b) => Math.max(a, b));
      if (this.log[side]) { const room = Math.max(high / low, 1.5) ** 0.05; return { min: low / room, max: high * room }; }
      const room = ((high - low) || Math.abs(high) || 1) * 0.05;
      return { min: this.spec[side].from_zero && low >= 0 ? 0 : low - room, max: high + room };
    }

    draw() {
      if (this.chart) this.chart.destroy();
      const view = this;
      this.chart = new Chart(this.canvas, {
        type: "scatter", data: { datasets: this.datasets() }, plugins: [extras(view)],
        options: {
          animation: false, maintainAspectRatio: false, responsive: true,
          interaction: { mode: "nearest", intersect: true, axis: "xy" },
          scales: { x: this.scale("x"), y: this.scale("y") },
          plugins: {
            legend: { display: false },
            tooltip: { displayColors: false, callbacks: { title: () => "", label: (item) => view.words(item.datasetIndex, item.raw.i) } },
          },
          onClick: (event, found) => { if (found.length) view.pin(found[0].datasetIndex, view.chart.data.datasets[found[0].datasetIndex].data[found[0].index].i); },
        },
      });
    }

    words(place, i) {
      const series = this.spec.series[place], name = nameOf(series, i), lines = name ? name.split("\n") : [];
      if (series.label && !name) lines.push(series.label);
      if (!name || !this.own()) lines.push(`${this.label("x")}: ${this.values(series, "x")[i]}`, `${this.label("y")}: ${this.values(series, "y")[i]}`);
      else if (lines.length < 2) lines.push(`${this.label("y")}: ${this.values(series, "y")[i]}`);
      return lines;
    }

    pin(place, i) {
      const key = `${this.name}:${place}:${i}`, held = pins.indexOf(key);
      if (held >= 0) pins.splice(held, 1); else pins.push(key);
      while (pins.length > MOST_PINS) pins.shift();
      showPins();
    }

    controls() {
      const bar = make("div", "", { class: "controls" });
      const names = [...new Set(this.spec.series.map((s) => s.label).filter(Boolean))];
      if (names.length > 1) for (const name of names) bar.append(this.chip(name));
      for (const side of ["x", "y"]) {
        if ((this.spec.choices || []).length) bar.append(this.choice(side));
        if (!this.spec[side].categories) bar.append(this.logBox(side));
      }
      const box = make("div", "", { class: "canvas" });
      this.canvas = make("canvas", "", { tabindex: "0", role: "img", "aria-label": `${this.place.querySelector("svg").getAttribute("aria-label")} Arrow keys move from point to point, Enter pins one.` });
      this.canvas.addEventListener("keydown", (event) => this.key(event));
      box.append(this.canvas);
      this.place.append(bar, box);
      this.place.classList.add("live");
    }

    chip(name) {
      const series = this.spec.series.find((s) => s.label === name);
      const button = make("button", name, { type: "button", class: "chip", "aria-pressed": String(!this.off.has(name)) });
      button.style.setProperty("--chip", series.colour);
      button.addEventListener("click", () => {
        if (this.off.has(name)) this.off.delete(name); else this.off.add(name);
        button.setAttribute("aria-pressed", String(!this.off.has(name)));
        remember(`${this.name}.off`, [...this.off].join("|"));
        this.draw();
      });
      return button;
    }

    choice(side) {
      const label = make("label", side === "x" ? "across " : "up "), select = make("select");
      for (const [value, text] of [["", this.spec[side].label], ...this.spec.choices.map((c) => [c, c])]) select.append(new Option(text, value));
      select.value = this.axis[side];
      select.addEventListener("change", () => { this.axis[side] = select.value; remember(`${this.name}.${side}`, select.value); this.draw(); });
      label.append(select);
      return label;
    }

    logBox(side) {
      const label = make("label", ""), box = make("input", "", { type: "checkbox" });
      box.checked = this.log[side];
      box.addEventListener("change", () => {
        this.log[side] = box.checked;
        remember(`${this.name}.l${side}`, box.checked === Boolean(this.spec[side].log) ? "" : box.checked ? "1" : "0");
        this.draw();
      });
      label.append(box, ` log ${side === "x" ? "across" : "up"}`);
      return label;
    }

    // Left and right: along a series; up and down: to another one; Enter: pin; Escape: leave.
    key(event) {
      const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
      const live = this.chart.data.datasets.map((d, place) => (d.hidden || !d.data.length ? -1 : place)).filter((place) => place >= 0);
      if (!live.length) return;
      if (event.key === "Enter" && this.active) this.pin(this.active[0], this.chart.data.datasets[this.active[0]].data[this.active[1]].i);
      if (event.key === "Escape") this.active = null;
      if (!step && event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      if (step) {
        const held = this.active ? live.indexOf(this.active[0]) : -1;
        const place = live[(Math.max(held, 0) + step[0] + live.length) % live.length];
        const size = this.chart.data.datasets[place].data.length;
        const from = this.active && place === this.active[0] ? this.active[1] : step[0] ? 0 : -1;
        this.active = [place, step[0] ? Math.min(this.active ? this.active[1] : 0, size - 1) : (from + step[1] + size) % size];
      }
      const found = this.active ? [{ datasetIndex: this.active[0], index: this.active[1] }] : [];
      this.chart.setActiveElements(found);
      this.chart.tooltip.setActiveElements(found, { x: 0, y: 0 });
      this.chart.update();
      if (this.active) say(this.words(this.active[0], this.chart.data.datasets[this.active[0]].data[this.active[1]].i).join(", "));
    }
  }

  // --- what Chart.js does not draw by itself: bands, whiskers, bounds ------------------------------

  function extras(view) {
    const place = (chart, x, y) => [chart.scales.x.getPixelForValue(x), chart.scales.y.getPixelForValue(y)];
    const known = (chart, x, y) => x !== null && y !== null && (!view.log.x || x > 0) && (!view.log.y || y > 0);
    function band(chart, series) {
      const path = [];
      for (const [xs, ys, back] of [[series.x_lo || series.x, series.lo, false], [series.x_hi || series.x, series.hi, true]]) {
        const side = [];
        for (let i = 0; i < series.x.length; i++) if (known(chart, xs[i], ys[i])) side.push(place(chart, xs[i], ys[i]));
        path.push(...(back ? side.reverse() : side));
      }
      const pen = chart.ctx;
      pen.beginPath();
      path.forEach(([a, b], n) => (n ? pen.lineTo(a, b) : pen.moveTo(a, b)));
      pen.globalAlpha = 0.15; pen.fillStyle = series.colour; pen.fill();
    }
    function whisker(chart, series, i) {
      const x = series.x[i], y = series.y[i], pen = chart.ctx;
      if (!known(chart, x, y)) return;
      pen.beginPath(); pen.globalAlpha = 0.45; pen.strokeStyle = series.colour; pen.lineWidth = 1;
      for (const [x1, y1, x2, y2] of [[x, at(series.lo, i), x, at(series.hi, i)], [at(series.x_lo, i), y, at(series.x_hi, i), y]]) {
        if (!known(chart, x1, y1) || !known(chart, x2, y2)) continue;
        pen.moveTo(...place(chart, x1, y1)); pen.lineTo(...place(chart, x2, y2));
      }
      pen.stroke();
    }
    function bound(chart, item) {
      const area = chart.chartArea, pen = chart.ctx, value = item.value || 0;
      pen.beginPath(); pen.globalAlpha = 1; pen.strokeStyle = pen.fillStyle = colour("--bound"); pen.lineWidth = 1.4; pen.setLineDash([6, 4]);
      pen.font = "11px system-ui, sans-serif";
      if (item.axis === "diagonal") {
        const low = Math.max(chart.scales.x.min, chart.scales.y.min), high = Math.min(chart.scales.x.max, chart.scales.y.max);
        pen.moveTo(...place(chart, low, low)); pen.lineTo(...place(chart, high, high));
      } else if (item.axis === "x") {
        const [a] = place(chart, value, chart.scales.y.min);
        pen.moveTo(a, area.top); pen.lineTo(a, area.bottom);
        pen.textAlign = a > (area.left + area.right) / 2 ? "right" : "left";
        pen.fillText(item.label, a + (pen.textAlign === "right" ? -5 : 5), area.top + 10);
      } else {
        const [, b] = place(chart, chart.scales.x.min, value);
        if (b >= area.top && b <= area.bottom) {
          pen.moveTo(area.left, b); pen.lineTo(area.right, b); pen.textAlign = "right"; pen.fillText(item.label, area.right - 4, b - 5);
        }
      }
      pen.stroke(); pen.setLineDash([]);
    }
    return {
      id: "extras",
      beforeDatasetsDraw(chart) {
        if (!view.own()) return;
        const pen = chart.ctx, area = chart.chartArea;
        pen.save(); pen.beginPath(); pen.rect(area.left, area.top, area.width, area.height); pen.clip();
        view.spec.series.forEach((series, n) => {
          if (chart.data.datasets[n].hidden) return;
          if (series.band && series.lo) band(chart, series);
          else if ((series.lo || series.x_lo) && series.x.length <= FEW) series.x.forEach((_, i) => whisker(chart, series, i));
        });
        for (const found of chart.getActiveElements()) whisker(chart, view.spec.series[found.datasetIndex], chart.data.datasets[found.datasetIndex].data[found.index].i);
        (view.spec.bounds || []).forEach((item) => bound(chart, item));
        pen.restore();
      },
    };
  }

  // --- pinned points side by side, files to copy, print --------------------------------------------

  const spoken = make("div", "", { class: "spoken", "aria-live": "polite" });
  function say(text) { spoken.textContent = text; }

  function showPins() {
    remember("pin", pins.join(" "));
    panel.replaceChildren();
    panel.hidden = !pins.length;
    if (!pins.length) return;
    panel.append(make("strong", "Pinned to compare"));
    const cards = make("div", "", { class: "cards" });
    for (const key of pins) {
      const [figure, place, i] = key.split(":"), spec = figures[figure], series = spec && spec.series[place];
      const name = series && nameOf(series, i);
      if (!name) continue;
      const card = make("div", "", { class: "card" }), close = make("button", "remove", { type: "button" });
      name.split("\n").forEach((line, n) => card.append(make(n ? "p" : "h3", line)));
      close.addEventListener("click", () => { pins.splice(pins.indexOf(key), 1); showPins(); });
      card.append(close);
      if (/^#1 /.test(name) && document.getElementById("s-deploy-it")) card.append(make("a", "its DGD", { href: "#s-deploy-it" }));
      cards.append(card);
    }
    panel.append(cards);
  }

  async function copy(button) {
    const code = button.closest(".file").querySelector("code");
    const range = document.createRange();
    range.selectNodeContents(code);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    let done = false;
    try { await navigator.clipboard.writeText(code.textContent); done = true; } catch { done = document.execCommand("copy"); }
    button.textContent = done ? "copied" : "selected: press Ctrl+C";
    say(button.textContent);
  }

  function redraw() { for (const view of views.values()) view.draw(); }

  function live(place) {
    const name = place.dataset.figure, spec = figures[name];
    if (!spec || views.has(name) || spec.series.some((s) => s.kind === "bars")) return;
    views.set(name, new View(name, spec, place));
  }

  document.body.append(spoken);
  const watcher = new IntersectionObserver((found) => {
    for (const item of found) if (item.isIntersecting) { watcher.unobserve(item.target); live(item.target); }
  }, { rootMargin: "400px" });
  document.querySelectorAll("figure[data-figure]").forEach((place) => watcher.observe(place));
  document.querySelectorAll("button.copy").forEach((button) => { button.hidden = false; button.addEventListener("click", () => copy(button)); });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href='#s-deploy-it']");
    if (!link) return;
    event.preventDefault();
    const target = document.getElementById("s-deploy-it");
    target.open = true;
    target.scrollIntoView();
  });
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((item) => { item.open = true; }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  showPins();
  window.reportViews = views; // for those who try the page by a program
})();
