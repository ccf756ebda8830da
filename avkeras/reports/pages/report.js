// The report of a run: tables that sort, and curves of the chosen system, class and clips.
const EVERY = "all systems";
const MICRO = "all classes (micro)";
const LOSSES = { loss: "training loss", val_loss: "validation loss" };
const several = data.systems.length > 1;

function options(select, names) {
  select.replaceChildren(...names.map((name) => make("option", { value: name }, name)));
}

function chosenSystems() {
  const name = byId("system").value;
  return data.systems.filter((system) => name === EVERY || system.name === name);
}

/** Counts of one class, or of all classes together: [bin, with, without] from the highest bin down. */
function countsOf(system, className, part) {
  const perClass = system.counts[part] || [];
  const chosen = className === MICRO ? perClass : [perClass[data.classes.indexOf(className)]].filter(Boolean);
  const bins = new Map();
  for (const one of chosen) {
    one.bins.forEach((bin, place) => {
      const sums = bins.get(bin) || [0, 0];
      bins.set(bin, [sums[0] + one.with[place], sums[1] + one.without[place]]);
    });
  }
  return [...bins].map(([bin, sums]) => [bin, ...sums]).sort((a, b) => b[0] - a[0]);
}

/** Precision, recall and F1 of what reaches a threshold (in bins). */
function scoresAt(counts, threshold) {
  let correct = 0, wrong = 0, truth = 0;
  for (const [bin, positive, negative] of counts) {
    truth += positive;
    if (bin >= threshold) {
      correct += positive;
      wrong += negative;
    }
  }
  return {
    truth, correct, wrong,
    precision: correct + wrong ? correct / (correct + wrong) : null,
    recall: truth ? correct / truth : null,
    f1: truth ? 2 * correct / (truth + correct + wrong) : null,
  };
}

function precisionRecall(counts) {
  const truth = counts.reduce((sum, one) => sum + one[1], 0);
  const points = [];
  let correct = 0, claimed = 0, average = 0;
  if (!truth) return { points, average: null };
  for (const [bin, positive, negative] of counts) {
    correct += positive;
    claimed += positive + negative;
    average += positive / truth * correct / claimed;
    points.push([correct / truth, correct / claimed, `threshold: ${number(bin / data.bins, 3)}`]);
  }
  return { points, average };
}

function showCurves() {
  const className = byId("class").value, part = byId("part").value;
  const threshold = Number(byId("threshold").value);
  const curves = [], rows = [];
  for (const system of chosenSystems()) {
    const counts = countsOf(system, className, part);
    const { points, average } = precisionRecall(counts);
    const scores = scoresAt(counts, threshold);
    const mark = scores.precision !== null && scores.recall !== null ? [scores.recall, scores.precision] : null;
    curves.push({ name: `${system.name} (average precision ${number(average, 3)})`, points, mark });
    rows.push([system.name, scores.truth, scores.correct, scores.wrong, scores.precision, scores.recall, scores.f1]);
  }
  byId("thresholdValue").textContent = number(threshold / data.bins, 3);
  chart(byId("pr"), curves, {
    label: `Precision and recall, ${className}, clips: ${part}`,
    x: { name: "recall", low: 0, high: 1 }, y: { name: "precision", low: 0, high: 1 },
  });
  byId("atThreshold").replaceChildren(sortable({
    caption: `At the threshold ${number(threshold / data.bins, 3)}: ${className}, clips: ${part}`,
    columns: [["system", "text"], ["present", "count"], ["correct", "count"], ["false", "count"], ["precision", "percent"], ["recall", "percent"], ["F1", "percent"]]
      .map(([name, kind]) => ({ name, kind })),
    rows,
  }));
}

/** Puts the slider at the run's threshold: of the chosen system or the first, of the chosen class where each has one. */
function ownThreshold() {
  const system = chosenSystems()[0];
  const own = system.threshold ?? system.thresholds[data.classes.indexOf(byId("class").value)];
  byId("own").disabled = own === undefined; // a threshold per class, and all classes together
  byId("threshold").value = Math.round((own ?? 0.5) * data.bins);
  showCurves();
}

function showClasses() {
  const place = byId("classes");
  if (data.classTables) return place.replaceChildren(...data.classTables.map(sortable));
  const systems = chosenSystems();
  const columns = [["class", "text"], ["support (clips)", "count"]];
  const scores = systems.length > 1 ? ["F1"] : ["predicted", "precision", "recall", "F1"];
  for (const system of systems) {
    for (const name of scores) columns.push([systems.length > 1 ? `${name}, ${system.name}` : name, name === "predicted" ? "count" : "percent"]);
  }
  const supports = systems.map((system) => system.perClass.map((row) => row.support));
  const rows = data.classes.map((name, index) => [
    name,
    Math.max(...supports.map((support) => support[index])),
    ...systems.flatMap((system) => scores.map((score) => system.perClass[index][score])),
  ]);
  const thresholds = systems.map((system) => system.thresholds ? `${system.name} one per class` : `${system.name} ${number(system.threshold, 3)}`).join(", ");
  place.replaceChildren(sortable({
    caption: `Per class on all its test clips, at the run's thresholds (${thresholds}); choose a system above for precision and recall`,
    columns: columns.map(([name, kind]) => ({ name, kind })),
    rows,
  }));
}

function showTraining() {
  const name = byId("trainingSystem").value;
  const systems = data.systems.filter((system) => name === EVERY || system.name === name);
  const series = systems.flatMap((system) => Object.keys(system.training).filter((column) => column !== "epoch").map((column) => ({
    name: `${several ? `${system.name}: ` : ""}${LOSSES[column] || column.replaceAll("_", " ")}`,
    points: system.training.epoch.map((epoch, place) => [epoch, system.training[column][place]]).filter((point) => point[1] !== null),
  })));
  chart(byId("training"), series, {
    label: "Course of the training", x: { name: "epoch", whole: true }, y: { name: data.trainingLabel },
  });
  byId("trainingNote").replaceChildren(...systems.map((system) => make("div", {}, `${several ? `${system.name}: ` : ""}${system.trainingNote}.`)));
}

function showLosses() {
  const system = data.systems.find((one) => one.name === byId("lossSystem").value);
  byId("losses").replaceChildren(sortable(system.losses));
}

function showPsd() {
  const found = data.detection[byId("psdMetric").value][byId("psdPart").value];
  const className = byId("psdClass").value;
  const series = [];
  if (found) {
    series.push({ name: `mean less standard deviation (area ${number(found.value, 4)})`, points: found.mean, step: true, thick: true });
    const names = className === "every class" ? Object.keys(found.classes) : [className];
    for (const name of names) {
      if (found.classes[name]) series.push({ name, points: found.classes[name], step: true });
    }
  }
  chart(byId("psd"), series, {
    label: "PSD-ROC", x: { name: "effective false positives per hour", low: 0, high: 100 }, y: { name: "true positive ratio", low: 0, high: 1 },
  });
}

byId("lead").textContent = data.lead;
byId("warnings").append(...data.warnings.map((text) => make("p", { class: "warning" }, `⚠ ${text}`)));
byId("results").append(sortable(data.results));
if (data.partTable) byId("parts").append(sortable(data.partTable));
if (data.weightTable) byId("weights").append(sortable(data.weightTable));
if (data.pictures?.length) {
  byId("pictures").append(make("p", {}, "Pictures of attention: ", ...data.pictures.flatMap(([text, address], place) => [place ? ", " : "", make("a", { href: address }, text)])));
}
byId("notes").append(...data.notes.map((text) => make("p", { class: "quiet" }, text)));
byId("tables").append(...data.tables.map(sortable));

if (data.systems.length) {
  const names = data.systems.map((system) => system.name);
  options(byId("system"), several ? [EVERY, ...names] : names);
  options(byId("trainingSystem"), several ? [EVERY, ...names] : names);
  options(byId("lossSystem"), several ? [...names].reverse() : names);
  for (const id of ["systemLabel", "trainingLabel", "lossLabel"]) byId(id).hidden = !several;
  options(byId("class"), [MICRO, ...data.classes]);
  options(byId("part"), [...new Set(data.systems.flatMap((system) => Object.keys(system.counts)))]);
  byId("threshold").max = data.bins;
  byId("class").addEventListener("change", () => (data.systems[0].thresholds ? ownThreshold() : showCurves()));
  byId("part").addEventListener("change", showCurves);
  byId("threshold").addEventListener("input", showCurves);
  byId("own").addEventListener("click", ownThreshold);
  byId("system").addEventListener("change", () => { ownThreshold(); showClasses(); });
  byId("lossSystem").addEventListener("change", showLosses);
  byId("trainingSystem").addEventListener("change", showTraining);
  ownThreshold();
  showClasses();
  showTraining();
  showLosses();
}
if (data.detection) {
  byId("psdSection").hidden = false;
  options(byId("psdMetric"), Object.keys(data.detection));
  options(byId("psdClass"), ["every class", ...data.classes]);
  options(byId("psdPart"), Object.keys(data.detection.PSDS1));
  for (const id of ["psdMetric", "psdClass", "psdPart"]) byId(id).addEventListener("change", showPsd);
  showPsd();
}
