// Line charts as inline SVG: axes with names, a legend, and a tip at the nearest point, by pointer or arrow keys.
const COLOURS = ["#1f5fa8", "#b8330b", "#1b7a3d", "#7a3e9d", "#8a6100", "#0c7c86", "#a3195b", "#4d4d4d"];
const DASHES = ["", "7 4", "2 3", "9 3 2 3", "12 4", "4 2", "1 4", "6 2 1 2 1 2"];

/** Round numbers from low to high, at most `most` of them. */
function ticksOf(low, high, most) {
  const rough = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough - 1e-12);
  const ticks = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + 1e-9 * step; at++) ticks.push(Number((at * step).toPrecision(12)));
  return ticks;
}

/**
 * Draws a chart into an element, anew whenever the element's width changes.
 * series: [{name, points: [[x, y, text?], ...], step?: true, mark?: [x, y], place?: number of the colour}]
 * options: {label, x: {name, low?, high?, whole?}, y: {name, low?, high?}}
 */
function chart(element, series, options) {
  element.drawing?.disconnect();
  let width = element.clientWidth;
  element.drawing = new ResizeObserver(() => {
    if (element.clientWidth !== width) {
      width = element.clientWidth;
      draw();
    }
  });
  draw();
  element.drawing.observe(element);

  function draw() {
    if (!width) return;
    element.replaceChildren();
    element.classList.add("chart");
    const shown = series.filter((one) => one.points.length);
    if (!shown.length) {
      element.append(make("p", { class: "quiet" }, "Nothing to draw for this choice."));
      return;
    }
    const all = shown.flatMap((one) => one.points);
    const range = (axis, place) => {
      let low = axis.low ?? Math.min(...all.map((point) => point[place]));
      let high = axis.high ?? Math.max(...all.map((point) => point[place]));
      if (high - low < 1e-9) [low, high] = [low - 0.5, high + 0.5];
      return [low, high];
    };
    const [xLow, xHigh] = range(options.x, 0);
    const [yLow, yHigh] = range(options.y, 1);
    const height = Math.max(240, Math.min(360, width * 0.55));
    const box = { left: 58, right: width - 12, top: 10, bottom: height - 44 };
    const toX = (x) => box.left + (x - xLow) / (xHigh - xLow) * (box.right - box.left);
    const toY = (y) => box.bottom - (y - yLow) / (yHigh - yLow) * (box.bottom - box.top);
    const svg = make("svg", {
      viewBox: `0 0 ${width} ${height}`, width, height, role: "img", tabindex: 0,
      "aria-label": `${options.label}. ${options.y.name} over ${options.x.name}: ${shown.map((one) => one.name).join(", ")}. Arrow keys tell the points.`,
    });
    let xTicks = ticksOf(xLow, xHigh, Math.max(3, Math.floor(width / 80)));
    if (options.x.whole) xTicks = xTicks.filter(Number.isInteger);
    for (const x of xTicks) {
      svg.append(make("line", { class: "grid", x1: toX(x), x2: toX(x), y1: box.top, y2: box.bottom }));
      svg.append(make("text", { x: toX(x), y: box.bottom + 17, "text-anchor": "middle" }, `${x}`));
    }
    for (const y of ticksOf(yLow, yHigh, 5)) {
      svg.append(make("line", { class: "grid", x1: box.left, x2: box.right, y1: toY(y), y2: toY(y) }));
      svg.append(make("text", { x: box.left - 7, y: toY(y) + 4, "text-anchor": "end" }, `${y}`));
    }
    svg.append(make("path", { class: "axis", fill: "none", d: `M${box.left} ${box.top}V${box.bottom}H${box.right}` }));
    svg.append(make("text", { x: (box.left + box.right) / 2, y: height - 7, "text-anchor": "middle" }, options.x.name));
    const middle = (box.top + box.bottom) / 2;
    svg.append(make("text", { x: 13, y: middle, transform: `rotate(-90 13 ${middle})`, "text-anchor": "middle" }, options.y.name));
    const legend = make("ul", { class: "legend" });
    shown.forEach((one, place) => {
      const look = { stroke: COLOURS[place % 8], "stroke-dasharray": DASHES[(place + 3 * Math.floor(place / 8)) % 8], "stroke-width": one.thick ? 4 : 2, fill: "none" };
      const path = one.points.map(([x, y], at) => {
        const corner = at && one.step ? `H${toX(x).toFixed(1)}` : "";
        return `${at ? `${corner}L` : "M"}${toX(x).toFixed(1)} ${toY(y).toFixed(1)}`;
      }).join("");
      svg.append(make("path", { d: path, class: "series", ...look }));
      if (one.points.length < 40 && !one.step) {
        for (const [x, y] of one.points) svg.append(make("circle", { cx: toX(x), cy: toY(y), r: 2.2, fill: look.stroke }));
      }
      if (one.mark) {
        svg.append(make("circle", { class: "mark", cx: toX(one.mark[0]), cy: toY(one.mark[1]), r: 6, fill: "#fff", stroke: look.stroke, "stroke-width": 3 }));
      }
      const sample = make("svg", { width: 34, height: 10, "aria-hidden": "true" }, make("line", { x1: 0, x2: 34, y1: 5, y2: 5, ...look }));
      legend.append(make("li", {}, sample, one.name));
    });
    const tip = make("div", { class: "tip", role: "status", hidden: true });
    const cursor = make("circle", { r: 5, fill: "none", stroke: "#000", "stroke-width": 2, visibility: "hidden" });
    svg.append(cursor);
    element.append(svg, tip, legend);

    let at = [0, -1]; // series and point that the tip is at
    function tell(place, index) {
      at = [place, index];
      const one = shown[place];
      const [x, y, text] = one.points[index];
      tip.hidden = false;
      const exact = (value) => `${Number(value.toPrecision(4))}`;
      tip.textContent = `${one.name}\n${options.x.name}: ${exact(x)}\n${options.y.name}: ${exact(y)}${text ? `\n${text}` : ""}`;
      const left = toX(x) + 12 + tip.offsetWidth > width ? toX(x) - 12 - tip.offsetWidth : toX(x) + 12;
      tip.style.left = `${Math.max(0, left)}px`;
      tip.style.top = `${Math.max(0, Math.min(height - tip.offsetHeight, toY(y) - 20))}px`;
      cursor.setAttribute("visibility", "visible");
      cursor.setAttribute("cx", toX(x));
      cursor.setAttribute("cy", toY(y));
    }
    function hide() {
      tip.hidden = true;
      cursor.setAttribute("visibility", "hidden");
    }
    svg.addEventListener("pointermove", (event) => {
      const area = svg.getBoundingClientRect();
      let nearest = [Infinity, 0, 0];
      shown.forEach((one, place) => one.points.forEach(([x, y], index) => {
        const far = Math.hypot(toX(x) - event.clientX + area.left, toY(y) - event.clientY + area.top);
        if (far < nearest[0]) nearest = [far, place, index];
      }));
      tell(nearest[1], nearest[2]);
    });
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
      if (!(event.key in moves)) return;
      event.preventDefault();
      const [over, along] = moves[event.key];
      const place = (at[0] + over + shown.length) % shown.length;
      tell(place, Math.min(shown[place].points.length - 1, Math.max(0, at[1] + along)));
    });
  }
}
