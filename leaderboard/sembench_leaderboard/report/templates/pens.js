// How each method is drawn: lines, markers and swatches of the pens in the page's data, see leaderboard/pens.py.
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
