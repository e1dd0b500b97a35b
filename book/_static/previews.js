// A reference to a term, an equation or a figure shows what it points to, while the pointer is over it or the keyboard
// is on it. Escape closes. A finger that taps follows the link.

(() => {
  const LINKS = 'article a.internal:is([href*="#equation-"], :has(> .std-term), :has(> .std-numref))';
  const root = new URL(document.documentElement.dataset.content_root || "./", location.href), known = {}, waiting = {};
  const tip = Object.assign(document.createElement("div"), {id: "preview", role: "tooltip", hidden: true});
  let shown, timer;

  window.previews = (page, found) => { known[page] = found; waiting[page].forEach(done => done()); };

  // of this page: a copy, its formulas as they are set; of another: what book/_ext/previews.py wrote
  async function content(link) {
    const url = new URL(link.href), id = decodeURIComponent(url.hash.slice(1));
    if (url.pathname === location.pathname) {
      const target = document.getElementById(id), copy = document.createElement("div");
      const parts = target?.matches("dt") ? [target, document.querySelector(`dt[id="${id}"] ~ dd`)] : [target];
      copy.append(...parts.map(part => part.cloneNode(true)));
      copy.querySelectorAll(".headerlink").forEach(anchor => anchor.remove());
      copy.querySelectorAll("a").forEach(anchor => anchor.replaceWith(...anchor.childNodes));
      for (const attribute of ["id", "tabindex", "role", "aria-label"])
        copy.querySelectorAll(`[${attribute}]:not(math *)`).forEach(part => part.removeAttribute(attribute));
      return copy;
    }
    const page = url.pathname.slice(root.pathname.length).replace(/\.html$/, "");
    if (!known[page]) await new Promise((done, failed) => {
      if ((waiting[page] ||= []).push(done) > 1) return;
      const src = `${root}_static/previews/${page}.js`;
      document.head.append(Object.assign(document.createElement("script"), {src, onerror: failed}));
    });
    const made = Object.assign(document.createElement("div"), {innerHTML: known[page][id] || ""});
    made.querySelectorAll("img").forEach(image => { image.src = root + image.getAttribute("src"); });
    return made;
  }

  async function show(link) {
    const found = await content(link).catch(() => null);
    if (!found?.hasChildNodes() || shown !== link) return;
    tip.replaceChildren(found);
    tip.hidden = false;
    if (found.querySelector(".math") && !found.querySelector("mjx-container")) await MathJax.typesetPromise([tip]);
    if (shown !== link) return;
    link.setAttribute("aria-describedby", tip.id);
    place();
  }

  function place() { // under the link or over it; where that is scrolled away, nowhere
    if (tip.hidden) return;
    const at = shown.getClientRects()[0], box = tip.getBoundingClientRect();
    if (!at || at.bottom < 0 || at.top > innerHeight) return plan(null, 0);
    const below = at.bottom + 6 + box.height < innerHeight || at.top < box.height + 6;
    const left = Math.max(8, Math.min(at.left, innerWidth - box.width - 8));
    Object.assign(tip.style, {left: `${left}px`, top: `${below ? at.bottom + 6 : at.top - box.height - 6}px`});
  }

  function plan(link, after) {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (link === shown) return;
      shown?.removeAttribute("aria-describedby");
      [tip.hidden, shown] = [true, link];
      if (link) show(link);
    }, after);
  }

  addEventListener("pointerover", event => {
    if (event.pointerType === "touch") return;
    const link = event.target.closest(LINKS);
    if (link) plan(link, 150);
    else if (tip.contains(event.target)) clearTimeout(timer);
    else if (!shown?.matches(":focus-visible")) plan(null, 250);
  });
  addEventListener("focusin", event => {
    const link = event.target.closest(LINKS);
    if (!link || link.matches(":focus-visible")) plan(link, 0);
  });
  addEventListener("keydown", event => { if (event.key === "Escape") plan(null, 0); });
  addEventListener("scroll", place);
  addEventListener("click", () => plan(null, 0));
  addEventListener("load", () => document.querySelector("article")?.append(tip));
})();
