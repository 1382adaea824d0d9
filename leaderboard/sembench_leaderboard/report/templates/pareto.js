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

// The multiples of a round step within a range: of the largest one of which there are at least three.
function ticks(low, high) {
  const power = 10 ** Math.ceil(Math.log10(high - low));
  for (const part of [0.5, 0.25, 0.2, 0.1, 0.05, 0.025]) {
    const step = part * power;
    const [first, last] = [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
    if (last - first < 2) continue;
    return Array.from({ length: last - first + 1 }, (_, place) => +((first + place) * step).toPrecision(9));
  }
}

// What an axis shows: all numbers and a margin, as far as the measure goes.
function range(numbers, { lower, upper }) {
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const margin = 0.08 * (high - low) || Math.abs(high) / 2 || 0.5;
  return [Math.max(low - margin, lower ?? -Infinity), Math.min(high + margin, upper ?? Infinity)];
}

// Rules and numbers of both axes; what the numbers mean stands at their ends.
function scales(image, { xs, ys, across, up, left, right, top, bottom }, name) {
  for (const tick of ticks(...xs)) {
    image.append(draw("path", { d: `M${across(tick)},${top}V${bottom}`, class: "frame" }));
    image.append(draw("text", { x: across(tick), y: bottom + 16, "text-anchor": "middle", class: "quiet" }, tick));
  }
  for (const tick of ticks(...ys)) {
    image.append(draw("path", { d: `M${left},${up(tick)}H${right}`, class: tick === 0 ? "frame rim" : "frame" }));
    image.append(draw("text", { x: left - 6, y: up(tick) + 4, "text-anchor": "end", class: "quiet" }, tick));
  }
  image.append(draw("text", { x: right, y: bottom + 34, "text-anchor": "end" }, `${name}: better →`));
  image.append(draw("text", { transform: `translate(12 ${bottom}) rotate(-90)` }, "gap, points: better →"));
}

// A marker with its intervals, as far as they are within the chart.
function cross(point, { xs, ys, across, up }, name, filled) {
  const pen = point.method.pen;
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

function pareto(quality, gap, points) {
  const [width, height, left, right, top, bottom] = [330, 250, 60, 318, 10, 208];
  const inset = 8; // room for a marker at the end of a measure's range
  const name = quality.unit ? `${quality.title}, ${quality.unit}` : quality.title;
  const turned = quality.direction === "lower";
  for (const point of points) point.good = turned ? -point.quality[0] : point.quality[0];
  const best = front(points.filter((point) => takesPart(point.method))).sort((one, other) => one.good - other.good);
  // Controls set no scale: beside one that guesses, all others would be one dot.
  const others = points.filter((point) => point.method.kind !== "control");
  const scaled = others.length ? others : points;
  const xs = range(scaled.flatMap((point) => point.quality), quality);
  const ys = range([0, ...scaled.flatMap((point) => point.interval)], gap);
  const share = (value, [low, high]) => (value - low) / (high - low);
  const across = (value) => +(left + inset + (turned ? 1 - share(value, xs) : share(value, xs)) * (right - left - 2 * inset)).toFixed(1);
  const up = (value) => +(bottom - inset - share(value, ys) * (bottom - top - 2 * inset)).toFixed(1);
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
    if (!outside.includes(point)) image.append(cross(point, place, quality.title, best.includes(point)));
  }
  return make("figure", {}, image, make("figcaption", {}, text));
}
