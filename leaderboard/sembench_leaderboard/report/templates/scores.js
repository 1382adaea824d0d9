// The table of scores: sorted by a column, filtered by method, data set and kind, columns switched on and off. Of a
// long table the first rows are shown, and all of them on demand and on paper.
{
  const table = document.getElementById("score-table");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[1].cells];
  const form = document.getElementById("filters");
  const text = document.getElementById("filter-text");
  const dataset = document.getElementById("filter-dataset");
  const state = document.getElementById("table-state");
  const further = document.getElementById("further-rows");
  const button = document.getElementById("all-rows");
  const [first, total] = [rows.length, Number(table.dataset.rows)];
  let order = "";
  let everything = false;

  const chosen = (name) =>
    new Set([...form.querySelectorAll(`input[name=${name}]:checked`)].map((input) => input.value));

  // Rows beyond the first ones are text until they are needed.
  const complete = () => {
    if (rows.length === total) return;
    const more = [...later.parsed(further).querySelectorAll("tbody tr")];
    for (const row of more) row.hidden = true;
    further.remove();
    rows.push(...more);
    body.append(...more);
    columns();
  };

  const say = (matching) => {
    const shown = everything ? matching : Math.min(first, matching);
    state.textContent = `${matching} of ${total} rows${order}${shown < matching ? `; the first ${shown} are shown` : ""}`;
    if (!button) return;
    button.textContent = `Show all ${matching} rows`;
    button.hidden = shown === matching;
  };

  const filter = () => {
    complete();
    const wanted = text.value.trim().toLowerCase();
    const kinds = chosen("kind");
    let matching = 0;
    for (const row of body.rows) {
      const [method, on] = [row.cells[0].dataset.v, row.cells[1].dataset.v];
      const fits =
        method.toLowerCase().includes(wanted) &&
        (!dataset || !dataset.value || on === dataset.value) &&
        (kinds.has(row.dataset.kind) || kinds.size === 0);
      matching += fits;
      row.hidden = !fits || (matching > first && !everything);
    }
    say(matching);
  };

  const show = (all) => {
    everything = all;
    filter();
  };

  const columns = () => {
    const groups = chosen("columns");
    const hidden = heads.map((head) => Boolean(head.dataset.columns) && !groups.has(head.dataset.columns));
    for (const head of table.tHead.rows[0].cells) {
      head.hidden = Boolean(head.dataset.columns) && !groups.has(head.dataset.columns);
    }
    for (const row of [table.tHead.rows[1], ...rows]) {
      hidden.forEach((hide, place) => {
        if (row.cells[place].hidden !== hide) row.cells[place].hidden = hide;
      });
    }
    const below = chosen("below");
    table.classList.toggle("no-intervals", !below.has("intervals"));
    table.classList.toggle("no-chances", !below.has("chances"));
  };

  // Rows without a value stay last, whatever the direction; rows that are equal keep their order.
  const sort = (place) => {
    complete();
    const head = heads[place];
    const best = head.dataset.better === "higher" ? "descending" : "ascending";
    const worst = best === "ascending" ? "descending" : "ascending";
    const direction = head.getAttribute("aria-sort") === best ? worst : best;
    const sign = direction === "ascending" ? 1 : -1;
    const keyed = rows.map((row, rank) => [row.cells[place].dataset.v, rank, row]);
    keyed.sort(([one, first], [other, second]) => {
      if ((one === "") !== (other === "")) return one === "" ? 1 : -1;
      const difference = head.dataset.better ? one - other : one.localeCompare(other, "en");
      return sign * difference || first - second;
    });
    body.append(...keyed.map(([, , row]) => row));
    for (const other of heads) other.setAttribute("aria-sort", other === head ? direction : "none");
    const name = head.querySelector(".sort").firstChild.textContent.trim();
    const word = head.dataset.better ? (direction === best ? ", best first" : ", worst first") : "";
    order = `, sorted by ${name}${word}`;
    filter();
  };

  heads.forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.querySelector(".sort").childNodes);
    button.addEventListener("click", () => sort(place));
    head.querySelector(".sort").replaceWith(button);
  });
  form.addEventListener("input", (event) => {
    if (["columns", "below"].includes(event.target.name)) columns();
    else filter();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  if (button) button.addEventListener("click", () => show(true));
  window.addEventListener("beforeprint", () => show(true));
  window.addEventListener("afterprint", () => show(false));
  form.hidden = false;
  say(total);
  later.whenIdle(complete);
}
