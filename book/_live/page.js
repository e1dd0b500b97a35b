// A question and a button on the page. The first click loads what computes and the figure's data, and opens it.

(() => {
  const records = {}, loaded = {};
  window.live = record => { records[record.name] = record; };

  const load = src => loaded[src] ||= new Promise((onload, failed) => {
    const onerror = () => { delete loaded[src]; failed(); };
    document.head.append(Object.assign(document.createElement("script"), {src, onload, onerror}));
  });

  for (const place of document.querySelectorAll(".live")) {
    const {kind, name, source, script} = place.dataset, button = place.querySelector("button");
    place.hidden = false;
    button.onclick = async () => {
      button.disabled = true;
      try {
        await load(script);
        if (source) await load(source);
      } catch {
        button.disabled = false;
        button.textContent = "It could not be loaded. Try again";
        return;
      }
      live.open(place, records[name] || {kind});
    };
  }
})();
