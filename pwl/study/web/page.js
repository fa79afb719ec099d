"use strict";
// Sorts tables, and draws the errors and the curves at an iteration of the reader's choice. The page says all of it without this.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const NS = "http://www.w3.org/2000/svg";
  const byId = (id) => document.getElementById(id);

  function element(parent, name, attributes, text) {
    const made = document.createElementNS(NS, name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (text !== undefined) made.textContent = text;
    parent.appendChild(made);
    return made;
  }

  // ---- tables

  function sortable(table) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
        const order = (a, b) => {
          const [u, v] = [value(a), value(b)];
          if (u === "" || v === "") return (u === "") - (v === ""); // what has no value stays at the end
          const by = isNaN(u) || isNaN(v) ? u.localeCompare(v) : u - v;
          return down ? -by : by;
        };
        body.append(...[...body.rows].sort(order));
      });
    });
  }

  // ---- numbers and axes

  function words(value) {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(1).replace(".0e", "e").replace("e+", "e");
    return String(Number(value.toPrecision(4)));
  }

  function ticks(low, high, log, most) {
    const found = [];
    if (log) {
      const decades = Math.log10(high / low);
      const within = decades > 3 ? [1] : decades > 1 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
        for (const part of within) found.push(part * 10 ** power);
    } else {
      const raw = (high - low) / most, power = 10 ** Math.floor(Math.log10(raw));
      const step = power * [1, 2, 5, 10].find((part) => part * power >= raw);
      for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(i * step);
    }
    return found.filter((value) => value >= low && value <= high);
  }

  function axis(values, log, from, to) {
    let low = Math.min(...values), high = Math.max(...values);
    if (!values.length || !isFinite(low)) [low, high] = [1, 10];
    if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - 1, high + 1];
    const turn = log ? Math.log : Number, room = 0.03 * (turn(high) - turn(low));
    const [a, b] = [turn(low) - room, turn(high) + room];
    const place = (value) => from + (to - from) * (turn(value) - a) / (b - a);
    return { place, low: log ? Math.exp(a) : a, high: log ? Math.exp(b) : b };
  }

  const SHAPES = {
    o: "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", s: "M-3.5-3.5h7v7h-7z", "^": "M0-4.5L4 3.5H-4z", D: "M0-4.5L4.5 0L0 4.5L-4.5 0z",
    v: "M0 4.5L4-3.5H-4z", P: "M-1.5-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z", X: "M-4-4L4 4M4-4L-4 4", "<": "M-4.5 0L3.5-4V4z",
  };

  function drawLine(svg, line, points) {
    const path = points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
    element(svg, "path", { d: path, fill: "none", stroke: line.colour, "stroke-width": 1.7, "stroke-dasharray": line.dashes.map((d) => 1.7 * d).join(" ") });
  }

  function drawMarker(svg, line, [x, y], full) {
    element(svg, "path", {
      d: SHAPES[line.marker], transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})${full ? " scale(1.3)" : ""}`,
      fill: full ? line.colour : "#ffffff", stroke: line.colour, "stroke-width": 1.2,
    });
  }

  // ---- errors

  const state = { series: 0, against: "iterations", logX: true, logY: true, at: data.last, off: new Set() };

  function shown(line) {
    const series = line.values[data.series[state.series]];
    if (state.off.has(line.name) || !series) return null;
    const places = line[state.against];
    if (line.level) return { line, level: series[0] };
    const points = [];
    series.forEach((y, i) => {
      const x = places ? places[i] : null;
      if (y !== null && x !== null && (!state.logX || x > 0) && (!state.logY || y > 0)) points.push([x, y, i]);
    });
    return points.length ? { line, points } : null;
  }

  function drawErrors() {
    const box = byId("chart"), width = Math.max(box.clientWidth, 280), height = width < 600 ? 300 : 400;
    box.replaceChildren();
    const label = `${data.series[state.series]} against ${state.against}, a line for each algorithm; values at iteration ${state.at} stand below`;
    const svg = element(box, "svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": label });
    const drawn = data.lines.map(shown).filter(Boolean);
    const [left, right, top, bottom] = [62, width - 14, 12, height - 44];
    const X = axis(drawn.flatMap((one) => (one.points || []).map((p) => p[0])), state.logX, left, right);
    const Y = axis(drawn.flatMap((one) => one.points ? one.points.map((p) => p[1]) : [one.level]), state.logY, bottom, top);
    for (const value of ticks(X.low, X.high, state.logX, width / 110)) {
      element(svg, "path", { d: `M${X.place(value)} ${top}V${bottom}`, stroke: "#dddddd" });
      element(svg, "text", { x: X.place(value), y: bottom + 17, "text-anchor": "middle" }, words(value));
    }
    for (const value of ticks(Y.low, Y.high, state.logY, 7)) {
      element(svg, "path", { d: `M${left} ${Y.place(value)}H${right}`, stroke: "#dddddd" });
      element(svg, "text", { x: left - 7, y: Y.place(value) + 4, "text-anchor": "end" }, words(value));
    }
    element(svg, "text", { x: (left + right) / 2, y: height - 8, "text-anchor": "middle" }, state.against === "multiplies" ? "multiplies so far" : state.against);
    element(svg, "text", { transform: `translate(13 ${(top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, data.series[state.series]);
    if (state.against === "iterations" && state.at > 0) {
      element(svg, "path", { d: `M${X.place(state.at)} ${top}V${bottom}`, stroke: "#5c5c5c", "stroke-dasharray": "2 3" });
    }
    drawn.forEach(({ line, points, level }, number) => {
      if (!points) {
        drawLine(svg, line, [[left, Y.place(level)], [right, Y.place(level)]]);
        return drawMarker(svg, line, [left + 12 + 14 * number, Y.place(level)], false);
      }
      const placed = points.map(([x, y]) => [X.place(x), Y.place(y)]);
      drawLine(svg, line, placed);
      const every = Math.max(1, Math.round(placed.length / 6));
      for (let i = (number * 2) % every; i < placed.length; i += every) drawMarker(svg, line, placed[i], false);
      const now = points.reduce((last, [, , i], place) => (i <= state.at ? place : last), -1);
      if (now >= 0) drawMarker(svg, line, placed[now], true);
    });
    for (const line of data.lines) {
      const series = line.values[data.series[state.series]] || [];
      byId(`value-${line.name}`).textContent = words(series[Math.min(state.at, series.length - 1)]);
    }
  }

  function key() {
    const box = byId("key");
    for (const line of data.lines) {
      const label = document.createElement("label"), check = document.createElement("input"), value = document.createElement("output");
      check.type = "checkbox";
      check.checked = true;
      check.addEventListener("change", () => {
        state.off[check.checked ? "delete" : "add"](line.name);
        drawErrors();
      });
      value.id = `value-${line.name}`;
      const sample = document.createElementNS(NS, "svg");
      for (const [name, size] of [["width", 44], ["height", 14], ["aria-hidden", true]]) sample.setAttribute(name, size);
      drawLine(sample, line, [[0, 7], [44, 7]]);
      drawMarker(sample, line, [22, 7], false);
      label.append(check, sample, line.name, value);
      box.append(label);
    }
  }

  // ---- curves

  function drawCurves() {
    const own = data.curves[byId("curves-of").value], box = byId("units");
    const frame = own.frames.reduce((last, one) => (one.iteration <= state.at ? one : last), own.frames[0]);
    byId("curves-at").textContent = `shown: after iteration ${frame.iteration}`;
    box.replaceChildren();
    frame.ns.forEach((ns, unit) => {
      const svg = element(box, "svg", { viewBox: "0 0 160 120", role: "img", "aria-label": `curve of unit ${unit + 1} at iteration ${frame.iteration}` });
      const X = axis(own.frames.flatMap((one) => one.ns[unit]), false, 8, 152);
      const Y = axis(own.frames.flatMap((one) => one.A[unit]), false, 110, 22);
      const path = (one) => one.ns[unit].map((n, i) => `${i ? "L" : "M"}${X.place(n).toFixed(1)} ${Y.place(one.A[unit][i]).toFixed(1)}`).join("");
      element(svg, "text", { x: 8, y: 13 }, `unit ${unit + 1}`);
      element(svg, "path", { d: path(own.frames[0]), fill: "none", stroke: "#767676", "stroke-dasharray": "4 3" });
      element(svg, "path", { d: path(frame), fill: "none", stroke: "#000000", "stroke-width": 1.8 });
      ns.forEach((n, i) => element(svg, "circle", { cx: X.place(n), cy: Y.place(frame.A[unit][i]), r: 2.3, fill: "#000000" }));
    });
  }

  // ---- the page

  function follow(id, event, change) {
    const control = byId(id);
    if (control) control.addEventListener(event, () => change(control));
  }

  function slide(control) {
    state.at = Number(control.value);
    for (const slider of document.querySelectorAll("input.iteration")) slider.value = state.at;
    for (const said of document.querySelectorAll("output.iteration")) said.textContent = state.at;
    draw();
  }

  function draw() {
    if (data.lines.length) drawErrors();
    if (data.curves.length) drawCurves();
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
  if (data.lines.length) key();
  follow("series", "change", (control) => { state.series = Number(control.value); draw(); });
  follow("against", "change", (control) => { state.against = control.value; draw(); });
  follow("log-x", "change", (control) => { state.logX = control.checked; draw(); });
  follow("log-y", "change", (control) => { state.logY = control.checked; draw(); });
  follow("curves-of", "change", draw);
  document.querySelectorAll("input.iteration").forEach((control) => control.addEventListener("input", () => slide(control)));
  draw();
  let width = window.innerWidth;
  window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; draw(); } });
})();
