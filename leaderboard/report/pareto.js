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
  const found = [];
  for (let number = Math.ceil(low / step); number * step <= high; number += 1) found.push(+(number * step).toPrecision(6));
  return found;
}

function range(numbers) {
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const margin = 0.08 * (high - low) || 0.5;
  return [low - margin, high + margin];
}

function pareto(quality, points, pens) {
  const [width, height, left, right, top, bottom] = [320, 250, 48, 12, 10, 42];
  const name = quality.unit ? `${quality.title}, ${quality.unit}` : quality.title;
  const turned = quality.direction === "lower";
  for (const point of points) point.good = turned ? -point.quality[0] : point.quality[0];
  const best = front(points.filter((point) => takesPart(point.method))).sort((one, other) => one.good - other.good);
  const [xs, ys] = [range(points.flatMap((point) => point.quality)), range([0, ...points.flatMap((point) => point.interval)])];
  const across = (value) => {
    const share = (value - xs[0]) / (xs[1] - xs[0]);
    return +(left + (turned ? 1 - share : share) * (width - left - right)).toFixed(1);
  };
  const up = (value) => +(top + (1 - (value - ys[0]) / (ys[1] - ys[0])) * (height - top - bottom)).toFixed(1);

  const text = `On the front: ${best.map((point) => point.method.name).reverse().join(", ") || "none"}.`;
  const image = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Accuracy gap against ${name}. ${text}` });
  for (const tick of ticks(...xs)) {
    image.append(draw("path", { d: `M${across(tick)},${top}V${height - bottom}`, class: "frame" }));
    image.append(draw("text", { x: across(tick), y: height - bottom + 16, "text-anchor": "middle", class: "quiet" }, tick));
  }
  for (const tick of ticks(...ys)) {
    image.append(draw("path", { d: `M${left},${up(tick)}H${width - right}`, class: tick === 0 ? "frame rim" : "frame" }));
    image.append(draw("text", { x: left - 6, y: up(tick) + 4, "text-anchor": "end", class: "quiet" }, tick));
  }
  image.append(draw("text", { x: width - right, y: height - 8, "text-anchor": "end" }, `${name}: better →`));
  const turn = `translate(12 ${height - bottom}) rotate(-90)`;
  image.append(draw("text", { transform: turn }, "gap, points: better →"));
  const corners = best.map((point) => [across(point.quality[0]), up(point.gap)]);
  if (corners.length > 1) image.append(draw("path", { d: `M${corners.join("L")}`, class: "front" }));
  for (const point of points) {
    const pen = pens.get(point.method);
    const [x, y] = [across(point.quality[0]), up(point.gap)];
    const bars = `M${across(point.quality[1])},${y}H${across(point.quality[2])}M${x},${up(point.interval[1])}V${up(point.interval[2])}`;
    const shape = marker(pen, [x, y], best.includes(point));
    shape.append(draw("title", {}, `${point.method.name}: gap ${point.gap}, ${quality.title} ${point.quality[0]}`));
    const group = draw("g", { class: `mark ${pen.style}` }, draw("path", { d: bars, class: "bar" }), shape);
    group.dataset.method = point.method.name;
    image.append(group);
  }
  return make("figure", {}, image, make("figcaption", {}, text));
}
