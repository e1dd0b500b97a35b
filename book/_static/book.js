// What a style sheet cannot say: which boxes can be scrolled from the keyboard, what the theme's dialogs are called,
// and that on paper everything folded is open.

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

addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("article details:not([open], .setup)")) {
    folded.open = true;
    folded.dataset.paper = "";
  }
});
addEventListener("afterprint", () => {
  for (const folded of document.querySelectorAll("details[data-paper]")) folded.open = false;
});
