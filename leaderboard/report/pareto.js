// Accuracy gap against one quality: better is up and to the right, so axes of lower-is-better qualities are turned.

// References and controls are drawn, but are no candidates.
function takesPart(method) {
  return method.kind === "explainer" || method.kind === "conversion";
}

// Points that no other one dominates: at least as good in both, better in one.
function front(points) {
  const dominates = (one, other) => one.gap >= other.gap && one.good >= other.good && (one.gap > other.gap || one.good > other.good);
  return points.filter((point) => !points.some((other) => dominates(other, point)));
}

function ticks(low, high) {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let number = Math.ceil(low / step); number * step <= high; number += 1) found.push([number * step, number ? (number * step).toFixed(decimals) : "0"]);
  return found;
}

function range(numbers) {
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const margin = 0.08 * (high - low) || 0.5;
  return [low - margin, high + margin];
}

// Rules and numbers of both axes; what the numbers mean stands at their ends.
function scales(image, { xs, ys, across, up, left, right, top, bottom }, name) {
  for (const [tick, number] of ticks(...xs)) {
    image.append(draw("path", { d: `M${across(tick)},${top}V${bottom}`, class: "frame" }));
    image.append(draw("text", { x: across(tick), y: bottom + 16, "text-anchor": "middle", class: "quiet" }, number));
  }
  for (const [tick, number] of ticks(...ys)) {
    image.append(draw("path", { d: `M${left},${up(tick)}H${right}`, class: tick === 0 ? "frame rim" : "frame" }));
    image.append(draw("text", { x: left - 6, y: up(tick) + 4, "text-anchor": "end", class: "quiet" }, number));
  }
  image.append(draw("text", { x: right, y: bottom + 34, "text-anchor": "end" }, `${name}: better →`));
  image.append(draw("text", { transform: `translate(12 ${bottom}) rotate(-90)` }, "gap, points: better →"));
}

// A marker with its intervals, as far as they are within the chart.
function cross(point, pen, { xs, ys, across, up }, name, filled) {
  const clipped = (value, [low, high]) => Math.min(Math.max(value, low), high);
  const [x, y] = [across(point.quality[0]), up(point.gap)];
  const [start, end] = point.quality.slice(1).map((value) => across(clipped(value, xs)));
  const [foot, head] = point.interval.slice(1).map((value) => up(clipped(value, ys)));
  const shape = marker(pen, [x, y], filled);
  shape.append(draw("title", {}, `${point.method.name}: gap ${point.gap}, ${name} ${point.quality[0]}`));
  const bars = draw("path", { d: `M${start},${y}H${end}M${x},${foot}V${head}`, class: "bar" });
  const group = draw("g", { class: `mark ${pen.style}` }, bars, shape);
  group.dataset.method = point.method.name;
  return group;
}

function pareto(quality, points, pens) {
  const [width, height, left, right, top, bottom] = [320, 250, 48, 308, 10, 208];
  const name = quality.unit ? `${quality.title}, ${quality.unit}` : quality.title;
  const turned = quality.direction === "lower";
  for (const point of points) point.good = turned ? -point.quality[0] : point.quality[0];
  const best = front(points.filter((point) => takesPart(point.method))).sort((one, other) => one.good - other.good);
  // Controls set no scale: beside one that guesses, all others would be one dot.
  const others = points.filter((point) => point.method.kind !== "control");
  const scaled = others.length ? others : points;
  const xs = range(scaled.flatMap((point) => point.quality));
  const ys = range([0, ...scaled.flatMap((point) => point.interval)]);
  const share = (value, [low, high]) => (value - low) / (high - low);
  const across = (value) => +(left + (turned ? 1 - share(value, xs) : share(value, xs)) * (right - left)).toFixed(1);
  const up = (value) => +(bottom - share(value, ys) * (bottom - top)).toFixed(1);
  const place = { xs, ys, across, up, left, right, top, bottom };

  const beyond = (value, [low, high]) => value < low || value > high;
  const outside = points.filter((point) => beyond(point.quality[0], xs) || beyond(point.gap, ys));
  const far = outside.map(({ method, quality: [value], gap }) => `${method.name} (${+value.toPrecision(2)}, gap ${+gap.toPrecision(2)})`);
  const text = [
    `On the front: ${best.map((point) => point.method.name).reverse().join(", ") || "none"}.`,
    ...(far.length ? [`Beyond the chart: ${far.join(", ")}.`] : []),
  ].join(" ");

  const image = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Accuracy gap against ${name}. ${text}` });
  scales(image, place, name);
  const corners = best.map((point) => [across(point.quality[0]), up(point.gap)]);
  if (corners.length > 1) image.append(draw("path", { d: `M${corners.join("L")}`, class: "front" }));
  for (const point of points) {
    if (!outside.includes(point)) image.append(cross(point, pens.get(point.method), place, quality.title, best.includes(point)));
  }
  return make("figure", {}, image, make("figcaption", {}, text));
}
