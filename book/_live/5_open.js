// What the page's script calls when data are there: the figure takes the place of the button.

function open(place, record) {
  const nets = {}, box = document.createElement("div");
  for (const [name, {layers, shape}] of Object.entries(record.networks)) nets[name] = network(layers, shape);
  box.className = "live-box";
  box.tabIndex = -1;
  place.querySelector("button").replaceWith(box);
  FIGURES[record.kind](box, nets, record.facts);
  box.focus({preventScroll: true});
}

window.live.open = open;
