"use strict";
// What every page uses. Text of users gets into the page by textContent and attributes only.
const data = JSON.parse(document.getElementById("data").textContent);

function byId(id) {
  return document.getElementById(id);
}

/** An element with attributes (a null or false one is left out) and children: nodes or text. */
function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "path", "line", "text", "rect", "circle", "polygon", "title"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function number(value, digits = 2) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

/** Blues from white to dark; text on it is dark below 0.55 and white above. */
function blue(share) {
  const from = [247, 251, 255], to = [8, 64, 129];
  const at = Math.min(1, Math.max(0, share));
  return `rgb(${from.map((value, place) => Math.round(value + at * (to[place] - value))).join(",")})`;
}

function listNotes(place, notes) {
  for (const note of notes) place.append(make("p", { class: "quiet" }, `Note: ${note}`));
}
