// Tables whose columns sort.
function shown(value, kind) {
  if (value === null || value === undefined) return "–";
  if (kind === "percent") return `${(100 * value).toFixed(1)} %`;
  if (kind === "number") return `${Number(value.toPrecision(4))}`;
  if (kind === "links") {
    return value.flatMap(([text, address], place) => [place ? ", " : "", make("a", { href: address }, text)]);
  }
  return `${value}`;
}

/** A table whose columns sort by a click: once rising, then falling; what is missing comes last. */
function sortable(given) {
  // The caption stands outside of what scrolls sideways.
  const element = make("table", { "aria-label": given.caption });
  const body = make("tbody");
  const numeric = given.columns.map((column) => ["count", "percent", "number"].includes(column.kind));
  const headings = given.columns.map((column, place) => {
    const button = make("button", { type: "button" }, column.name);
    const heading = make("th", { scope: "col", class: numeric[place] ? "number" : null }, button);
    button.addEventListener("click", () => sort(place, heading.getAttribute("aria-sort") === "ascending" ? -1 : 1));
    return heading;
  });
  function fill(rows) {
    body.replaceChildren(...rows.map((row) => make("tr", {}, ...row.map((value, place) => {
      const content = shown(value, given.columns[place].kind);
      const short = Array.isArray(content) || content.length < 24;
      const cell = { class: numeric[place] ? "number" : short ? "short" : "text", scope: place ? null : "row" };
      return make(place ? "td" : "th", cell, ...(Array.isArray(content) ? content : [content]));
    }))));
  }
  function sort(place, direction) {
    headings.forEach((heading, other) => heading.setAttribute("aria-sort", other === place ? (direction > 0 ? "ascending" : "descending") : "none"));
    const key = (row) => (Array.isArray(row[place]) ? row[place].map(([text]) => text).join() : row[place]);
    fill([...given.rows].sort((a, b) => {
      const [own, other] = [key(a), key(b)];
      if (own === null || other === null) return (own === null) - (other === null);
      return direction * (typeof own === "number" ? own - other : own.localeCompare(other));
    }));
  }
  element.append(make("thead", {}, make("tr", {}, ...headings)), body);
  fill(given.rows);
  return make("div", { class: "given" }, make("p", { class: "caption" }, given.caption), make("div", { class: "wide" }, element));
}
