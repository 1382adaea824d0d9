"use strict";
// Most of a long page is plain text to the browser at first, which is quick to read: what stands in noscript. It becomes
// part of the page when a reader opens it, and otherwise when the browser has nothing better to do, so that the
// browser's own search finds it.
const later = (() => {
  const waiting = new Set(document.querySelectorAll("details > noscript"));
  const whenIdle = (work) =>
    window.requestIdleCallback ? requestIdleCallback(work) : setTimeout(() => work({ timeRemaining: () => 10 }), 100);

  const parsed = (noscript) => {
    const part = document.createElement("template");
    part.innerHTML = noscript.textContent; // escaped when the page was made, like the rest of it
    return part.content;
  };
  const replace = (noscript) => {
    waiting.delete(noscript);
    noscript.replaceWith(parsed(noscript));
  };
  const fill = (details) => [...details.children].filter((child) => waiting.has(child)).forEach(replace);
  const goOn = (pause) => {
    for (const noscript of waiting) {
      replace(noscript); // at least one each time, however busy the machine
      if (pause.timeRemaining() < 5) break;
    }
    if (waiting.size) whenIdle(goOn);
  };
  whenIdle(goOn);

  document.addEventListener("click", (event) => event.target.closest("summary") && fill(event.target.closest("details")), true);
  document.addEventListener("toggle", (event) => fill(event.target), true);
  return { fill, parsed, whenIdle };
})();
