// What a style sheet cannot say: which boxes can be scrolled from the keyboard, what the theme's dialogs are called,
// that what a link leads into is open, and on paper everything.

const BOXES = {
  "mjx-container[display]": "Formula",
  "pre": "Code",
  ".pst-scrollable-table-container, .cell_output .text_html": "Table",
};

function markScrollable() {
  for (const [selector, name] of Object.entries(BOXES)) {
    for (const box of document.querySelectorAll(`article :is(${selector})`)) {
      const hidden = box.scrollWidth > box.clientWidth + 1;
      if (hidden) {
        box.tabIndex = 0;
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", `${name}, scrolls sideways`);
      } else if (box.hasAttribute("aria-label")) {
        for (const attribute of ["tabindex", "role", "aria-label"]) box.removeAttribute(attribute);
      }
    }
  }
}

let waiting;
function markSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(markScrollable, 150);
}

addEventListener("load", () => {
  for (const [id, name] of [["primary", "Contents of the book"], ["secondary", "On this page"]]) {
    document.getElementById(`pst-${id}-sidebar-modal`)?.setAttribute("aria-label", name);
  }
  const article = document.querySelector("article");
  if (!article) return;
  new ResizeObserver(markSoon).observe(article);
  article.addEventListener("toggle", markSoon, true);
  window.MathJax?.startup?.promise?.then(markScrollable);
  markScrollable();
});

// --- what is folded opens for a link into it, from wherever it comes, and for the words of a search ---

function unfold(place) {
  const further = place.closest("section.further")?.querySelector(":scope > details");
  if (further && !further.contains(place)) further.open = true; // the section itself, or a label above it
  for (let fold = place.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
}

function goTo(hash) {
  const place = document.getElementById(decodeURIComponent(hash.slice(1)));
  if (!place?.closest("article :is(details, section.further)")) return;
  unfold(place);
  place.scrollIntoView();
}

function openHits() {
  const hits = [...document.querySelectorAll("article span.highlighted")];
  for (const hit of hits) if (hit.closest("details")?.matches(".further, .aside")) unfold(hit);
  const first = hits.find(hit => hit.checkVisibility()) || hits[0];
  if (!first || location.hash.length > 1) return;
  unfold(first);
  first.scrollIntoView({block: "center"});
}

addEventListener("hashchange", () => goTo(location.hash));
addEventListener("click", event => { // also a second click on the same link, which changes nothing in the address
  const link = event.target.closest?.('a[href*="#"]');
  if (link?.pathname === location.pathname && link.hash) setTimeout(() => goTo(link.hash));
});
addEventListener("load", () => {
  goTo(location.hash);
  setTimeout(openHits, 20); // Sphinx marks the words 10 ms after the page was read
  const moved = new AbortController(); // formulas take their place later; who has moved on by then stays there
  for (const act of ["wheel", "keydown", "pointerdown", "touchstart"]) {
    addEventListener(act, () => moved.abort(), {once: true, passive: true, signal: moved.signal});
  }
  window.MathJax?.startup?.promise?.then(() => {
    if (!moved.signal.aborted) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
    moved.abort();
  });
});

addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("article details:not([open], .setup)")) {
    folded.open = true;
    folded.dataset.paper = "";
  }
});
addEventListener("afterprint", () => {
  for (const folded of document.querySelectorAll("details[data-paper]")) folded.open = false;
});
