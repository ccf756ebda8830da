// The figures of one system or of two: tables that sort, and the PSD-ROC of the chosen score and class.
const ALL = "all classes";
const EACH = "every class";

function options(select, names) {
  select.replaceChildren(...names.map((name) => make("option", { value: name }, name)));
}

function showCurves() {
  const metric = byId("metric").value, chosen = byId("class").value;
  const rocs = data.rocs.filter((roc) => roc.metric === metric);
  const series = [];
  for (const roc of rocs) {
    const system = roc.system ? `${roc.system}: ` : "";
    const ends = (points) => [...points, [roc.limit, points[points.length - 1][1]]];
    if (chosen === ALL || chosen === EACH) {
      series.push({ name: `${system}${ALL} (${number(roc.value, 4)})`, points: ends(roc.points), step: true, thick: true });
    }
    for (const one of roc.classes) {
      if (chosen === EACH || chosen === one.name) {
        series.push({ name: `${system}${one.name} (${number(one.value, 4)})`, points: ends(one.points), step: true });
      }
    }
  }
  chart(byId("psd"), series, {
    label: `${metric}, ${chosen}`,
    x: { name: "effective false positives per hour", low: 0, high: rocs[0].limit },
    y: { name: "true positive ratio", low: 0, high: 1 },
  });
}

byId("lead").textContent = data.lead;
listNotes(byId("notes"), data.notes);
byId("results").append(...data.results.map(sortable));
byId("classes").append(...data.classTables.map(sortable));
if (data.rocs.length) {
  byId("psdSection").hidden = false;
  options(byId("metric"), [...new Set(data.rocs.map((roc) => roc.metric))]);
  options(byId("class"), [ALL, EACH, ...data.rocs[0].classes.map((one) => one.name)]);
  byId("metric").addEventListener("change", showCurves);
  byId("class").addEventListener("change", showCurves);
  showCurves();
}
