// A question and a button on the page. The first click loads what computes and the figure's data, and opens it.

(() => {
  const records = {}, loaded = {};
  window.live = record => { records[record.name] = record; };

  function load(source) {
    return loaded[source] ||= new Promise((done, failed) => {
      const script = document.createElement("script");
      Object.assign(script, {src: source, onload: done, onerror: () => { delete loaded[source]; failed(); }});
      document.head.append(script);
    });
  }

  for (const place of document.querySelectorAll(".live")) {
    const {kind, name, source, script} = place.dataset, button = place.querySelector("button");
    place.hidden = false;
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await load(script);
        if (source) await load(source);
      } catch {
        button.disabled = false;
        button.textContent = "The figure’s data could not be loaded. Try again";
        return;
      }
      window.live.open(place, source ? records[name] : {kind, networks: {}, facts: {}});
    });
  }
})();
