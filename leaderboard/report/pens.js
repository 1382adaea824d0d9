// How each method is drawn, the same in every chart: colour, dashes and marker, so that no two agree in all three.
const DASHES = ["", "7 2", "1.5 2", "7 2 1.5 2", "4 1.5 1.5 1.5 1.5 1.5"];
const CORNERS = [[24, 0], [4, 45], [3, -90], [4, 0], [3, 90], [5, -90], [3, 180], [3, 0], [6, 0], [5, 90], [8, 22.5]];

function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// Markers shrink along the list, so that equal positions show as nested outlines.
function pensOf(methods) {
  const others = methods.filter((method) => method.kind !== "reference");
  return new Map(
    methods.map((method) => {
      const place = others.indexOf(method);
      if (place < 0) return [method, { style: "p-ref", dashes: "5 3", corners: null, size: 6 }];
      const size = 6.5 - 3 * ((place % 8) / 7);
      return [method, { style: `p${place % 7}`, dashes: DASHES[place % 5], corners: CORNERS[place % 11], size }];
    }),
  );
}

function marker(pen, [x, y], solid = false) {
  let shape = `M${x - pen.size},${y}h${2 * pen.size}M${x},${y - pen.size}v${2 * pen.size}`;
  if (pen.corners) {
    const [corners, turn] = pen.corners;
    const points = Array.from({ length: corners }, (_, corner) => {
      const angle = ((turn + (360 * corner) / corners) * Math.PI) / 180;
      return `${(x + pen.size * Math.cos(angle)).toFixed(1)},${(y + pen.size * Math.sin(angle)).toFixed(1)}`;
    });
    shape = `M${points.join("L")}Z`;
  }
  return draw("path", solid ? { d: shape, class: "solid" } : { d: shape });
}

function swatch(pen) {
  const line = draw("path", { d: "M0,8H42", "stroke-dasharray": pen.dashes });
  return draw("svg", { viewBox: "0 0 42 16", class: `swatch ${pen.style}`, "aria-hidden": "true" }, line, marker(pen, [21, 8]));
}
