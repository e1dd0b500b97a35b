// What the figures are made of: elements, ranges, a surface to point at, pictures in grey, curves.

const add = (parent, tag, textContent = "", className = "", more) =>
  parent.appendChild(Object.assign(document.createElement(tag), {textContent, className}, more));

const clamp = (v, top) => min(top, max(0, v));
const HUES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#7f7f7f", "#bcbd22", "#6a3d9a"];

// Draws on clean canvases, once a frame at most: at first, after whatever is used in the box, and when the theme changes.
// draw(ink, muted, main, faint) gets the theme's colours; what it returns is said beneath the pictures.
function painter(box, draw) {
  const said = add(box, "output", "", "live-said");
  let asked;
  const soon = () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      for (const canvas of box.querySelectorAll("canvas")) canvas.getContext("2d").clearRect(0, 0, 999, 999);
      const colour = name => getComputedStyle(box).getPropertyValue(`--pst-color-${name}`);
      said.textContent = draw(...["text-base", "text-muted", "primary", "border"].map(colour));
    });
  };
  new MutationObserver(soon).observe(document.documentElement, {attributeFilter: ["data-theme"]});
  box.oninput = box.onclick = soon;
  soon();
}

const fixed = (v, digits = 2) => v.toFixed(digits);

// A native range with its name and its value. Returned is a function: its value, or, given one, it is set to it.
function range(box, name, [min, max, step, value], told = fixed, changed = () => {}) {
  const label = add(box, "label", name, "live-range");
  const input = add(label, "input", "", "", {type: "range", min, max, step, value}), output = add(label, "output");
  const tell = () => { input.ariaValueText = output.textContent = told(+input.value); };
  input.oninput = () => { tell(); changed(); };
  tell();
  return to => {
    if (to !== undefined) { input.value = to; tell(); }
    return +input.value;
  };
}

function choice(box, names, chosen) {
  const group = add(box, "div", "", "live-choice");
  names.forEach((name, i) => add(group, "button", name, "", {onclick: () => chosen(i)}));
}

// A canvas of w × h pixels of the page at most, with two of its own for each. What is drawn on it is given in the
// coordinates of the window [left, top, right, bottom], and so is the place that pointed(x, y) gets; a drag goes on.
function surface(parent, label, [w, h], [left, top, right, bottom], pointed) {
  const canvas = add(parent, "canvas", "", pointed ? "live-pointed" : "", {width: 2 * w, height: 2 * h, role: "img", ariaLabel: label});
  const pen = canvas.getContext("2d");
  canvas.style.maxWidth = `${w}px`;
  pen.scale(2, 2);
  pen.font = "13px sans-serif";
  pen.at = ([x, y]) => [(x - left) / (right - left) * w, (y - top) / (bottom - top) * h];
  if (pointed) canvas.onpointerdown = canvas.onpointermove = event => {
    if (!event.buttons) return;
    canvas.setPointerCapture(event.pointerId);
    const [x, y] = [event.offsetX / canvas.clientWidth, event.offsetY / canvas.clientHeight];
    pointed(left + x * (right - left), top + y * (bottom - top), event);
    canvas.dispatchEvent(new Event("input", {bubbles: true})); // so the box draws again
  };
  return pen;
}

const inRow = box => add(box, "div", "", "live-row");

// A square surface under its name, in a row of them.
function panel(row, name, size, window, pointed) {
  return surface(add(row, "div", name), name, [size, size], window, pointed);
}

// The corners of a square, and the first of them once more.
const square = (x, y, side) => [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]];

function begin(pen, style, width) {
  pen.fillStyle = pen.strokeStyle = style;
  pen.lineWidth = width;
  pen.beginPath();
}

function line(pen, points, style, width = 1.5) {
  begin(pen, style, width);
  for (const point of points) pen.lineTo(...pen.at(point));
  pen.stroke();
}

// A disc, or, given a width of its line, a circle. The radius is in pixels of the page.
function dot(pen, point, radius, style, width) {
  begin(pen, style, width);
  pen.arc(...pen.at(point), radius, 0, 7);
  pen[width ? "stroke" : "fill"]();
}

function words(pen, text, point, style, align = "center") {
  begin(pen, style);
  pen.textAlign = align;
  pen.fillText(text, ...pen.at(point));
}

// A square, in pixels of the page.
function block(pen, style, size, left = 0, top = 0) {
  begin(pen, style);
  pen.fillRect(left, top, size, size);
}

// A square picture in [0, 1], 1 is ink, as large pixels on white.
function picture(pen, x, size, left = 0, top = 0) {
  const side = sqrt(x.length), small = new OffscreenCanvas(side, side), inked = new ImageData(side, side);
  x.forEach((v, i) => { inked.data[4 * i + 3] = 255 * v; }); // how opaque black is; the data keep to 0 ... 255 by themselves
  small.getContext("2d").putImageData(inked, 0, 0);
  block(pen, "#fff", size, left, top);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(small, left, top, size, size);
}

// A button: between a click and the next ``advance`` runs in every frame, again and again for so many milliseconds;
// without motion, ``many`` times on each click. Returned is what stops it.
function player(box, name, advance, many, milliseconds = 0) {
  const still = matchMedia("(prefers-reduced-motion)").matches, title = still ? `${name}: ${many} steps` : name;
  const button = add(box, "button", title);
  let going = false;
  const play = to => { going = to; button.textContent = going ? "Stop" : title; };
  const frame = begun => {
    if (!going) return;
    do advance(); while (performance.now() - begun < milliseconds);
    box.oninput();
    requestAnimationFrame(frame);
  };
  button.onclick = () => {
    if (still) times(many, advance);
    else { play(!going); frame(0); }
  };
  return () => play(false);
}
