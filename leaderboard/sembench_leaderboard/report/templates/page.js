// Links within the page open what they lead to; definitions also show where one is; all but entries is open on paper.
{
  const dialog = document.getElementById("definition");
  const place = document.getElementById("definition-text");

  const reveal = (id) => {
    const target = id && document.getElementById(id);
    if (!target) return;
    for (let inside = target; inside; inside = inside.parentElement) {
      if (inside.tagName !== "DETAILS") continue;
      later.fill(inside);
      inside.open = true;
    }
    for (const old of document.querySelectorAll(".arrived")) old.classList.remove("arrived");
    const stop = target.tagName === "DETAILS" ? target.querySelector("summary") : target;
    stop.classList.add("arrived");
    target.scrollIntoView();
    stop.focus({ preventScroll: true });
  };

  const define = (article) => {
    const shown = [...article.childNodes].map((node) => node.cloneNode(true));
    place.replaceChildren(...shown);
    place.querySelector("h3").id = "definition-title";
    dialog.showModal();
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const id = link.getAttribute("href").slice(1);
    const article = link.matches(".what") && document.getElementById(id);
    if (article) {
      event.preventDefault();
      define(article);
    } else {
      setTimeout(() => reveal(id));
    }
  });
  document.getElementById("definition-close").addEventListener("click", () => dialog.close());
  window.addEventListener("hashchange", () => reveal(location.hash.slice(1)));
  reveal(location.hash.slice(1));

  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll(".claims > details:not([open]), .costs:not([open]), #radar-positions:not([open])")];
    for (const closed of opened) {
      later.fill(closed);
      closed.open = true;
    }
  });
  window.addEventListener("afterprint", () => {
    for (const closed of opened) closed.open = false;
  });
}
