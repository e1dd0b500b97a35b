// What the figures are made of: elements, ranges, a surface to point at, pictures in grey, curves.

function add(parent, tag, attributes = {}, text = "") {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return parent.appendChild(made);
}

const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const colour = name => getComputedStyle(document.body).getPropertyValue(`--pst-color-${name}`);
const inks = () => [colour("text-base"), colour("text-muted"), colour("primary"), colour("border")];
const HUES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#7f7f7f", "#bcbd22", "#6a3d9a"];

const on = (element, events, act) => { for (const event of events.split(" ")) element.addEventListener(event, act); };
const announce = element => element.dispatchEvent(new Event("input", {bubbles: true}));

// Draws once a frame at most: at first, after whatever is used in the box, and when the theme changes.
function painter(box, draw) {
  let asked = 0;
  const soon = () => { asked ||= requestAnimationFrame(() => { asked = 0; draw(); }); };
  new MutationObserver(soon).observe(document.documentElement, {attributeFilter: ["data-theme"]});
  on(box, "input click", soon);
  soon();
}

const fixed = v => v.toFixed(2);

// A native range with its name and its value. Returned is a function: its value, or, given one, it is set to it.
function range(parent, name, [min, max, step, value], told = fixed, changed = () => {}) {
  const label = add(parent, "label", {class: "live-range"}), words = add(label, "span", {}, name);
  const input = add(label, "input", {type: "range", min, max, step, value}), output = add(label, "output");
  const tell = () => { output.textContent = told(+input.value); input.setAttribute("aria-valuetext", output.textContent); };
  on(input, "input", () => { tell(); changed(); });
  tell();
  return to => {
    if (to !== undefined) { input.value = to; tell(); }
    return +input.value;
  };
}

function choice(parent, names, chosen) {
  const group = add(parent, "div", {class: "live-choice", role: "group"});
  names.forEach((name, i) => on(add(group, "button", {type: "button"}, name), "click", () => chosen(i)));
}

// A canvas of w × h units that are as many pixels of the page at most. pointed(x, y) gets units; a drag goes on.
function surface(parent, w, h, label, pointed) {
  const canvas = add(parent, "canvas", {role: "img", "aria-label": label}), sharp = min(devicePixelRatio || 1, 2);
  [canvas.width, canvas.height] = [w * sharp, h * sharp];
  canvas.style.maxWidth = `${w}px`;
  const pen = canvas.getContext("2d");
  pen.scale(sharp, sharp);
  if (pointed) {
    canvas.classList.add("live-pointed");
    const point = event => {
      if (event.type === "pointermove" && !event.buttons) return;
      if (event.type === "pointerdown") canvas.setPointerCapture(event.pointerId);
      const box = canvas.getBoundingClientRect();
      pointed((event.clientX - box.left) / box.width * w, (event.clientY - box.top) / box.height * h, event);
      announce(canvas);
    };
    on(canvas, "pointerdown pointermove", point);
  }
  return pen;
}

const inRow = box => add(box, "div", {class: "live-row"});
const report = box => add(box, "output", {class: "live-said"});

// A square surface under its name, in a row of them.
function panel(row, name, size, pointed) {
  const place = add(row, "div");
  add(place, "p", {}, name);
  return surface(place, size, size, name, pointed);
}

// side × side pixels in [0, 1], 1 is ink, as large squares on white.
function picture(pen, x, side, size, left = 0, top = 0) {
  const small = picture.small ||= document.createElement("canvas");
  small.width = small.height = side;
  const grey = new ImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    grey.data.fill(255 * (1 - min(1, max(0, x[i]))), 4 * i, 4 * i + 3);
    grey.data[4 * i + 3] = 255;
  }
  small.getContext("2d").putImageData(grey, 0, 0);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(small, left, top, size, size);
}

function line(pen, points, style, width = 1.5) {
  pen.strokeStyle = style;
  pen.lineWidth = width;
  pen.beginPath();
  points.forEach(([x, y], i) => i ? pen.lineTo(x, y) : pen.moveTo(x, y));
  pen.stroke();
}

const wipe = pen => pen.clearRect(0, 0, pen.canvas.width, pen.canvas.height);

// A disc, or, given a width of its line, a circle.
function dot(pen, x, y, radius, style, width) {
  pen.fillStyle = pen.strokeStyle = style;
  pen.lineWidth = width;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen[width ? "stroke" : "fill"]();
}

function words(pen, text, x, y, style, align = "left") {
  pen.fillStyle = style;
  pen.textAlign = align;
  pen.font = "13px sans-serif";
  pen.fillText(text, x, y);
}

// Runs ``advance`` once a frame between a click and the next; without motion, ``many`` times on each click.
function player(parent, name, advance, many) {
  const motion = !STILL.matches, button = add(parent, "button", {type: "button"}, motion ? name : `${name}: ${many} steps`);
  let going = false;
  const frame = () => { if (going && button.isConnected) { advance(); announce(button); requestAnimationFrame(frame); } };
  const stop = () => { going = false; if (motion) button.textContent = name; };
  on(button, "click", () => {
    if (!motion) { for (let i = 0; i < many; i++) advance(); return; }
    if (going) return stop();
    going = true;
    button.textContent = "Stop";
    frame();
  });
  return stop;
}

const pixels = logits => logits.map(POINTWISE.sigmoid);
