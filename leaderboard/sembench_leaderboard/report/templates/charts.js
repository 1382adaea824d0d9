// What the charts show: methods and data sets, switched on and off by check boxes that are their legend too.
{
  const data = JSON.parse(document.getElementById("chart-data").textContent);
  const boxes = new Map();
  const panels = document.getElementById("chart-panels");
  const one = document.getElementById("pareto-dataset");
  const [methodOptions, datasetOptions] = document.querySelectorAll("#chart-controls .options");

  const option = (key, name, on, ...picture) => {
    const box = make("input", { type: "checkbox", checked: on });
    boxes.set(key, box);
    return make("label", {}, box, ...picture, name);
  };
  const on = (keys) => keys.filter((key) => boxes.get(key).checked);

  const table = (outlines) => {
    const head = make("tr", {}, make("th", { scope: "col" }, "Method"));
    head.append(...data.axes.map((axis) => make("th", { scope: "col" }, axis.name)));
    const lines = outlines.map(([method, profile]) => {
      const cells = profile.map((value) => make("td", {}, value === null ? "—" : value.toFixed(2)));
      return make("tr", {}, make("th", { scope: "row" }, method.name), ...cells);
    });
    return make("table", { className: "numbers" }, make("thead", {}, head), make("tbody", {}, ...lines));
  };

  const drawRadar = () => {
    const [methods, datasets] = [on(data.methods), on(data.datasets)];
    const found = methods.map((method) => [method, averaged(method, datasets, data.axes)]);
    const outlines = found.filter(([, profile]) => profile);
    const missing = found.filter(([, profile]) => !profile).map(([method]) => method.name);
    const over = datasets.length > 1 ? `mean over ${datasets.length} data sets` : datasets[0] || "no data set is switched on";
    const title = `Radar chart of ${outlines.length} methods, ${over}`;
    radar(document.getElementById("radar"), data.axes, outlines, title);
    const left = datasets.length && missing.length ? ` Not drawn, since they did not run on every data set switched on: ${missing.join(", ")}.` : "";
    document.getElementById("radar-state").textContent = `${title}.${left}`;
    document.getElementById("radar-numbers").replaceChildren(table(outlines));
  };

  const drawPareto = () => {
    const figures = data.qualities.map((quality, place) => {
      const points = on(data.methods).flatMap((method) => {
        const own = method.on[one.value];
        if (!own || !own.gap || !own.qualities[place]) return [];
        return [{ method, gap: own.gap[0], interval: own.gap, quality: own.qualities[place] }];
      });
      return points.length ? pareto(quality, data.gap, points) : make("p", {}, `${quality.title}: no method switched on has both numbers.`);
    });
    document.getElementById("pareto").replaceChildren(...figures);
  };

  const highlight = (name) => {
    panels.classList.toggle("dimmed", name !== null);
    for (const mark of panels.querySelectorAll(".mark")) mark.classList.toggle("hot", mark.dataset.method === name);
  };

  let kind = "";
  for (const method of data.methods) {
    if (method.kind !== kind) methodOptions.append(make("span", { className: "group" }, `${method.kind}s`));
    kind = method.kind;
    const label = option(method, method.name, method.shown, swatch(method.pen));
    for (const event of ["mouseenter", "focusin"]) label.addEventListener(event, () => highlight(method.name));
    for (const event of ["mouseleave", "focusout"]) label.addEventListener(event, () => highlight(null));
    methodOptions.append(label);
  }
  for (const name of data.datasets) {
    datasetOptions.append(option(name, name, true));
    one.append(make("option", { value: name }, name));
  }

  const drawAll = () => {
    drawRadar();
    drawPareto();
  };
  document.getElementById("chart-methods").addEventListener("click", (event) => {
    const choice = event.target.dataset.choose;
    if (!choice) return;
    for (const method of data.methods) boxes.get(method).checked = choice === "all" || (choice === "first" && method.shown);
    drawAll();
  });
  document.getElementById("chart-methods").addEventListener("change", drawAll);
  document.getElementById("chart-datasets").addEventListener("change", drawRadar);
  one.addEventListener("change", drawPareto);
  document.getElementById("chart-area").hidden = false;
  drawAll();
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) drawRadar();
    width = window.innerWidth;
  });
}
