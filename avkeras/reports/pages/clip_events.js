// The events of a clip: the roll, a cursor that follows the clip, and the weights of the encoders.
const media = make(data.media.kind.startsWith("video") ? "video" : "audio", {
  controls: true, src: data.media.uri, "aria-label": `Clip ${data.name}`, playsinline: true,
});
const heads = []; // one cursor per track
const nows = [];
let seconds = 0;
const COLOURS = ["#cfe0f3", "#fbe3c4", "#d8ecd2", "#ead6ee"];

function percent(time) {
  return `${100 * Math.min(1, Math.max(0, time / data.duration))}%`;
}

function track(name, className, ...children) {
  const element = make("div", { class: `track ${className}` }, ...children);
  const head = make("div", { class: "head" });
  heads.push(head);
  element.append(head);
  element.addEventListener("click", (event) => {
    const box = element.getBoundingClientRect();
    go((event.clientX - box.left) / box.width * data.duration);
  });
  const now = make("div", { class: "now" });
  byId("roll").append(make("div", { class: "name" }, name), element, now);
  return now;
}

function heat(place) {
  const canvas = make("canvas", { width: data.scores.length, height: 1, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  data.scores.forEach((row, column) => {
    context.fillStyle = blue(row[place]);
    context.fillRect(column, 0, 1, 1);
  });
  canvas.style.width = percent(data.scores.length * data.secondsPerVector);
  return canvas;
}

function go(time) {
  seconds = Math.min(data.duration, Math.max(0, time));
  media.currentTime = seconds;
  show();
}

function show() {
  for (const head of heads) head.style.left = percent(seconds);
  const row = data.scores[Math.min(data.scores.length - 1, Math.floor(seconds / data.secondsPerVector))];
  const there = data.events.filter((event) => event.onset <= seconds && seconds < event.offset).map((event) => event.label);
  nows.forEach((now, place) => {
    now.textContent = `${there.includes(data.classes[place]) ? "● " : ""}${number(row[place])}`;
  });
  const text = `${number(seconds)} s: ${there.length ? there.join(", ") : "no event"}`;
  byId("place").textContent = text;
  byId("roll").setAttribute("aria-valuenow", number(seconds));
  byId("roll").setAttribute("aria-valuetext", text);
  for (const line of document.querySelectorAll("#events [data-place]")) {
    const event = data.events[Number(line.dataset.place)];
    line.classList.toggle("marked", event.onset <= seconds && seconds < event.offset);
  }
}

function follow() {
  seconds = Math.min(data.duration, media.currentTime);
  show();
  if (!media.paused) requestAnimationFrame(follow);
}

function head(...names) {
  return make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name))));
}

byId("media").append(media);
byId("about").textContent = data.about;
byId("scale").style.background = `linear-gradient(to right, ${blue(0)}, ${blue(1)})`;
listNotes(byId("notes"), data.notes);

byId("events").append(make("caption", {}, data.events.length ? "Events found" : "No event was found"), head("from (s)", "to (s)", "class"));
byId("events").append(make("tbody", {}, ...data.events.map((event, place) => {
  const jump = make("button", { type: "button", "aria-label": `Go to ${event.label} at ${number(event.onset)} seconds` }, number(event.onset));
  jump.addEventListener("click", () => go(event.onset));
  return make("tr", { "data-place": place }, make("td", {}, jump), make("td", {}, number(event.offset)), make("td", {}, event.label));
})));

const encoders = Object.keys(data.weights[0].shares);
byId("weights").append(make("caption", {}, "Weight that each encoder got; an absent input gets 0 and the others share the rest"));
byId("weights").append(head("part of the clip (s)", ...encoders));
byId("weights").append(make("tbody", {}, ...data.weights.map((part) => make("tr", {},
  make("th", { scope: "row" }, `${number(part.start)} to ${number(part.end)}`),
  ...encoders.map((name) => make("td", { class: "bars" }, make("span", { class: "bar", style: `width: ${(5 * part.shares[name]).toFixed(2)}em` }), ` ${number(part.shares[name], 3)}`)),
))));

const roll = byId("roll");
if (data.pictures.some(Boolean)) {
  track("pictures", "stills", ...data.pictures.map((uri) => {
    const still = make("span", {}, uri ? "" : "no picture");
    if (uri) still.style.backgroundImage = `url(${uri})`;
    return still;
  }));
}
const image = make("img", { src: data.spectrogram, alt: "Log-mel spectrogram of the clip" });
image.style.width = percent(data.spectrogramSeconds);
track("spectrogram", "tall", image);
data.classes.forEach((name, place) => {
  const bars = data.events.filter((event) => event.label === name).map((event) => {
    const bar = make("div", { class: "event", title: `${name}: ${number(event.onset)} to ${number(event.offset)} s` });
    bar.style.left = percent(event.onset);
    bar.style.width = percent(event.offset - event.onset);
    return bar;
  });
  nows.push(track(name.replaceAll("_", " "), "", heat(place), ...bars));
});
// One above the other, as high as its weight, over the whole of the part that it holds for.
track("encoder weights", "shares", ...data.weights.flatMap((part) => {
  let above = 0;
  return encoders.filter((name) => part.shares[name] > 0).map((name) => {
    const text = `${name} ${number(part.shares[name])}`;
    const share = make("div", { class: "share", title: text }, text);
    share.style.left = percent(part.start);
    share.style.width = percent(part.end - part.start);
    share.style.top = `${100 * above}%`;
    share.style.height = `${100 * part.shares[name]}%`;
    share.style.background = COLOURS[encoders.indexOf(name) % COLOURS.length];
    above += part.shares[name];
    return share;
  });
}));
const ticks = make("div", { class: "ticks" });
const step = [0.5, 1, 2, 5, 10, 30, 60, 300].find((one) => data.duration / one <= 11) || 600;
for (let time = 0; time <= data.duration; time += step) {
  ticks.append(make("span", { style: `left: ${percent(time)}` }, `${time}`));
}
roll.append(make("div", { class: "name" }, "seconds"), ticks, make("div"));
for (const [name, value] of Object.entries({
  tabindex: 0, role: "slider", "aria-labelledby": "rolls", "aria-valuemin": 0, "aria-valuemax": number(data.duration),
})) roll.setAttribute(name, value);
roll.addEventListener("keydown", (event) => {
  const targets = { ArrowLeft: seconds - data.secondsPerVector, ArrowRight: seconds + data.secondsPerVector, Home: 0, End: data.duration };
  if (event.key in targets) {
    event.preventDefault();
    go(targets[event.key]);
  }
});
byId("previous").addEventListener("click", () => go(seconds - data.secondsPerVector));
byId("next").addEventListener("click", () => go(seconds + data.secondsPerVector));
media.addEventListener("play", follow);
media.addEventListener("seeked", () => { if (media.paused) follow(); });
show();
