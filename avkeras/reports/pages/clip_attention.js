// The attention of a clip: a person picks the query, or it follows the playing clip.
const frames = data.times.length;
const media = make(data.media.kind.startsWith("video") ? "video" : "audio", {
  controls: true, src: data.media.uri, "aria-label": `Clip ${data.name}`, playsinline: true,
});
let query = data.query;
let shownWindow = -1;
let cells = null; // of the window that is shown

function windowOf(frame) {
  return data.windows.findIndex((one) => one.start <= frame && frame < one.start + one.attention[0].length);
}

function span(frame) {
  return `${number(data.times[frame] - data.window / 2)} to ${number(data.times[frame] + data.window / 2)} s`;
}

/** The look of a frame: its slice of the spectrogram, its picture, or that there is none. */
function paint(element, modality, frame) {
  const uri = modality === "audio" ? data.slices[frame] : data.pictures && data.pictures[frame];
  if (modality === "audio") element.classList.add("sound");
  if (uri) element.style.backgroundImage = `url(${uri})`;
  else element.textContent = "no picture";
}

function build(place) {
  const { start, attention } = data.windows[place];
  const count = attention[0].length;
  const strip = byId("strip");
  strip.replaceChildren();
  strip.style.gridTemplateColumns = `max-content repeat(${count}, minmax(${count > 24 ? 44 : 58}px, ${count < 8 ? "150px" : "1fr"}))`;
  cells = { queries: [], weights: [], lines: [] };
  strip.append(make("div", { class: "name", id: "queries" }, `${data.second}`, make("br"), "query"));
  const group = make("div", { role: "radiogroup", "aria-labelledby": "queries", style: "display: contents" });
  for (let column = 0; column < count; column++) {
    const frame = start + column;
    const button = make("button", {
      type: "button", role: "radio", class: "frame", title: `frame ${frame}: ${span(frame)}`,
      "aria-label": `Query frame ${frame}, ${span(frame)}`,
    });
    paint(button, data.second, frame);
    button.addEventListener("click", () => choose(frame, { byPerson: true }));
    cells.queries.push(button);
    group.append(button);
  }
  strip.append(group);
  strip.append(make("div", { class: "name" }));
  const lines = make("svg", { class: "lines", viewBox: `0 0 ${count} 1`, preserveAspectRatio: "none", "aria-hidden": "true" });
  for (let column = 0; column < count; column++) {
    const line = make("line", { x2: column + 0.5, y1: 0, y2: 1, stroke: "#b8330b", "vector-effect": "non-scaling-stroke" });
    cells.lines.push(line);
    lines.append(line);
  }
  strip.append(lines, make("div", { class: "name" }, `${data.first}`, make("br"), "keys"));
  for (let column = 0; column < count; column++) {
    const key = make("div", { class: "frame key", role: "img", "aria-label": `Key frame ${start + column}, ${span(start + column)}` });
    paint(key, data.first, start + column);
    strip.append(key);
  }
  for (let head = 0; head <= attention.length; head++) {
    strip.append(make("div", { class: "name" }, head < attention.length ? `head ${head + 1}` : "mean of heads"));
    cells.weights.push([]);
    for (let column = 0; column < count; column++) {
      const cell = make("div", { class: "weight" });
      cells.weights[head].push(cell);
      strip.append(cell);
    }
  }
  strip.append(make("div", { class: "name" }, "centre (s)"));
  for (let column = 0; column < count; column++) strip.append(make("div", { class: "time" }, number(data.times[start + column])));
  shownWindow = place;
}

function show() {
  const place = windowOf(query);
  if (place !== shownWindow) build(place);
  const { start, attention } = data.windows[place];
  const own = query - start;
  const rows = attention.map((head) => head[own]);
  const mean = rows[0].map((_, key) => rows.reduce((sum, row) => sum + row[key], 0) / rows.length);
  const highest = Math.max(...rows.flat(), 1e-12);
  [...rows, mean].forEach((row, head) => {
    const most = Math.max(...row);
    row.forEach((weight, key) => {
      const cell = cells.weights[head][key];
      cell.textContent = number(weight);
      cell.style.background = blue(weight / highest);
      cell.style.color = weight / highest > 0.55 ? "#fff" : "#1c1c1c";
      cell.classList.toggle("most", weight === most && weight > 0);
    });
  });
  const strongest = Math.max(...mean, 1e-12);
  cells.lines.forEach((line, key) => {
    line.setAttribute("x1", own + 0.5);
    line.setAttribute("stroke-opacity", 0.9 * mean[key] / strongest);
    line.setAttribute("stroke-width", 0.5 + 2.5 * mean[key] / strongest);
  });
  cells.queries.forEach((button, column) => {
    button.classList.toggle("query", column === own);
    button.setAttribute("aria-checked", column === own);
    button.tabIndex = column === own ? 0 : -1;
  });
  const box = byId("scroller"), cell = cells.queries[own];
  if (cell.offsetLeft - 120 < box.scrollLeft || cell.offsetLeft + cell.offsetWidth > box.scrollLeft + box.clientWidth) {
    box.scrollLeft = cell.offsetLeft - box.clientWidth / 2;
  }
  byId("previous").disabled = query === 0;
  byId("next").disabled = query === frames - 1;
  const part = data.windows.length > 1 ? `, window ${place + 1} of ${data.windows.length}` : "";
  byId("query").textContent = `query frame ${query} of 0 to ${frames - 1}: ${span(query)}${part}`;
  byId("highest").textContent = number(highest);
  const shut = `No key gets any weight: the clip has no ${data.first} here, so the model answers from ${data.second} alone.`;
  byId("summary").textContent = Math.max(...rows.flat()) === 0 ? shut : rows
    .map((row, head) => {
      const key = row.indexOf(Math.max(...row));
      return `head ${head + 1}: most on frame ${start + key} (${number(row[key])})`;
    }).join("; ");
  document.querySelectorAll("#probabilities [data-class]").forEach((cell) => {
    fill(cell, data.frameProbabilities[query][Number(cell.dataset.class)]);
  });
}

function fill(cell, value) {
  cell.className = "bars";
  cell.replaceChildren(make("span", { class: "bar", style: `width: ${(5 * value).toFixed(2)}em` }), ` ${number(value)}`);
}

/** Goes to a query frame; a person's choice pins it, and moves a clip that does not play there. */
function choose(frame, { byPerson = false } = {}) {
  query = Math.min(frames - 1, Math.max(0, frame));
  if (byPerson) {
    byId("pinned").checked = true;
    if (media.paused) media.currentTime = Math.max(0, data.times[query]);
  }
  show();
}

/** The frame whose centre is nearest to a time. */
function frameAt(seconds) {
  let nearest = 0;
  data.times.forEach((time, frame) => {
    if (Math.abs(time - seconds) < Math.abs(data.times[nearest] - seconds)) nearest = frame;
  });
  return nearest;
}

function follow() {
  if (!byId("pinned").checked) {
    const frame = frameAt(media.currentTime);
    if (frame !== query) choose(frame);
  }
  if (!media.paused) requestAnimationFrame(follow);
}

function moveBy(step) {
  choose(query + step, { byPerson: true });
  if (byId("strip").contains(document.activeElement)) cells.queries[query - data.windows[shownWindow].start].focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target === media) return;
  const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -frames, End: frames };
  if (event.key in steps) {
    event.preventDefault();
    moveBy(steps[event.key]);
  } else if (event.key === "p" || event.key === "P") {
    byId("pinned").click();
  }
});
byId("previous").addEventListener("click", () => moveBy(-1));
byId("next").addEventListener("click", () => moveBy(1));
byId("pinned").addEventListener("change", follow);
media.addEventListener("play", follow);
media.addEventListener("seeked", () => { if (media.paused) follow(); });

byId("media").append(media);
byId("about").textContent = data.about;
byId("scale").style.background = `linear-gradient(to right, ${blue(0)}, ${blue(1)})`;
listNotes(byId("notes"), data.notes);
const table = byId("probabilities");
table.append(make("caption", {}, `Probability of each class, the highest first; ✓: at or above the threshold (${number(data.threshold)})`));
table.append(make("thead", {}, make("tr", {}, ...["class", "in the clip", "in the query frame"].map((name) => make("th", { scope: "col" }, name)))));
const order = data.classes.map((_, place) => place).sort((a, b) => data.probabilities[b] - data.probabilities[a]);
table.append(make("tbody", {}, ...order.slice(0, 10).map((place) => {
  const value = data.probabilities[place];
  const clip = make("td");
  fill(clip, value);
  const present = value >= data.thresholds[place];
  if (present) clip.append(" ✓");
  return make("tr", { class: present ? "marked" : null }, make("th", { scope: "row" }, data.classes[place]), clip, make("td", { "data-class": place }));
})));
show();
