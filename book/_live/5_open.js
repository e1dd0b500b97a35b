// What the page's script calls when data are there: the figure takes the place of the button.

live.open = (place, record) => {
  const {kind, networks, facts} = unpacked(record), nets = {};
  for (const name in networks) nets[name] = network(networks[name].layers, networks[name].shape);
  place.querySelector("button").remove();
  const box = add(place, "div", "", "live-box", {tabIndex: -1});
  FIGURES[kind](box, nets, facts);
  box.focus({preventScroll: true});
};
