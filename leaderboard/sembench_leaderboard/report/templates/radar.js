// The radar chart: positions were computed with the board's fixed axes; here they are averaged and drawn. They are cut
// only when drawn, after averaging, and scales are straight lines: a mean is the position of the mean score.
const RIM = 1.1;

// The mean positions over data sets: null for a method that is missing on one, or on an axis that is.
function averaged(method, datasets, axes) {
  const profiles = datasets.map((name) => method.on[name] && method.on[name].profile);
  if (profiles.length === 0 || profiles.some((profile) => !profile)) return null;
  return axes.map((_, place) => {
    const known = profiles.map((profile) => profile[place]);
    return known.includes(null) ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
  });
}

function radar(place, axes, outlines, title) {
  const width = Math.max(280, Math.min(place.clientWidth, 620));
  const radius = Math.min(190, (width / 2 - 82) / (RIM * 0.951));
  const [middle, centre] = [width / 2, radius * RIM + 38];
  const angles = axes.map((_, axis) => ((-90 + (360 * axis) / axes.length) * Math.PI) / 180);
  const at = (axis, value) => [
    +(middle + radius * value * Math.cos(angles[axis])).toFixed(1),
    +(centre + radius * value * Math.sin(angles[axis])).toFixed(1),
  ];
  const height = centre + radius + 44;
  const image = draw("svg", { viewBox: `0 0 ${width} ${height.toFixed(0)}`, width, role: "img", "aria-label": title });
  for (const part of [0.25, 0.5, 0.75, 1]) {
    image.append(draw("circle", { cx: middle, cy: centre, r: radius * part, class: part === 1 ? "frame rim" : "frame" }));
  }
  axes.forEach((axis, number) => {
    const [x, y] = at(number, RIM);
    image.append(draw("path", { d: `M${middle},${centre}L${x},${y}`, class: "frame" }), label(axis, angles[number], x, y));
  });
  for (const [method, profile] of outlines) image.append(outline(method, profile, at, axes));
  place.replaceChildren(image);
}

function label(axis, angle, x, y) {
  const side = Math.abs(Math.cos(angle)) < 0.1 ? 0 : Math.sign(Math.cos(angle));
  const words = side ? axis.name.split(" ") : [axis.name];
  const ends = side && axis.ends.length > 14 ? axis.ends.replace(" → ", "\n→ ").split("\n") : [axis.ends];
  const lines = [...words, ...ends];
  const down = Math.sin(angle);
  const first = down < -0.9 ? y - 8 - 15 * (lines.length - 1) : down > 0.5 ? y + 4 : y - 7 * (lines.length - 1);
  const anchor = side ? (side > 0 ? "start" : "end") : "middle";
  const text = draw("text", { "text-anchor": anchor });
  lines.forEach((line, number) => {
    const look = number < words.length ? "" : "quiet";
    text.append(draw("tspan", { x: x + 6 * side, y: first + 15 * number, class: look }, line));
  });
  return text;
}

// Sides between neighbouring axes with a position; a missing position breaks the outline.
function outline({ name, pen }, profile, at, axes) {
  const points = profile.map((value, axis) => (value === null ? null : at(axis, Math.min(Math.max(value, 0), RIM))));
  const sides = points.map((point, axis) => {
    const next = points[(axis + 1) % points.length];
    return point && next ? `M${point}L${next}` : "";
  });
  const group = draw("g", { class: `mark ${pen.style}` }, draw("path", { d: sides.join(""), "stroke-dasharray": pen.dashes }));
  group.dataset.method = name;
  profile.forEach((value, axis) => {
    if (value === null) return;
    const point = marker(pen, points[axis]);
    point.append(draw("title", {}, `${name}: ${axes[axis].name} ${value.toFixed(2)}`));
    group.append(point);
  });
  return group;
}
