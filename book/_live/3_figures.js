// Each figure is a function of its box, its networks by name and its facts.

const FIGURES = {};

const unpacked = fact => fact?.f32 ? Object.assign(floats(fact), {shape: fact.shape}) : fact;
const rows = flat => times(flat.shape[0], i => flat.subarray(i * flat.length / flat.shape[0], (i + 1) * flat.length / flat.shape[0]));
const shown = ({scale}) => scale ? y => y.map(v => scale[0] * v + scale[1]) : pixels;

// Two planes of codes: a way from one digit's code to another's in both, any place in each, and what it decodes to.
FIGURES.plane = (box, networks, {codes, labels, ends, names, side, low, high, radius, ...facts}) => {
  const size = 250, show = shown(facts), marks = unpacked(labels), panels = inRow(box), draws = [];
  const walk = () => { at = {}; }, digit = (name, value) => range(box, name, [0, names.length - 1, 1, value], v => names[v], walk);
  const from = digit("from a", 0), to = digit("to a", 1), way = range(box, "part of the way", [0, 1, 0.01, 0.5], fixed, walk);
  let at = {};
  for (const [n, decode] of Object.entries(networks).sort(([a], [b]) => a.localeCompare(b))) {
    const points = rows(unpacked(codes[n])), first = rows(unpacked(ends[n])), all = d => first.map(z => z[d]);
    const [left, bottom] = low[n].map((v, d) => min(v, ...all(d))), [right, top] = high[n].map((v, d) => max(v, ...all(d)));
    const onto = ([x, y]) => [(x - left) / (right - left) * size, (top - y) / (top - bottom) * size];
    const plane = panel(panels, `${n}: drag`, size, (x, y) => { at[n] = [left + x / size * (right - left), top - y / size * (top - bottom)]; });
    const image = surface(plane.canvas.parentNode, size, size, `decoded by the ${n}`);
    draws.push(() => {
      const [ink, muted] = inks(), start = first[from()], end = first[to()], z = at[n] || start.map((v, d) => v + way() * (end[d] - v));
      wipe(plane);
      line(plane, times(73, i => onto([radius * cos(i * PI / 36), radius * sin(i * PI / 36)])), muted, 1);
      points.forEach((z, i) => {
        const [x, y] = onto(z);
        plane.fillStyle = HUES[marks[i] % 10];
        plane.fillRect(x - 1.5, y - 1.5, 3, 3);
      });
      line(plane, [onto(start), onto(end)], ink, 1);
      first.forEach((z, i) => words(plane, names[i], ...onto(z), ink, "center"));
      dot(plane, ...onto(z), 7, ink, 2.5);
      picture(image, show(decode(Float32Array.from(z))), side, size);
    });
  }
  painter(box, () => draws.forEach(draw => draw()));
};

// Draw a digit: q(z | x), what its mean decodes to, and the two terms of the ELBO.
FIGURES.digit = (box, {encoder, decoder}, {examples, eps, usual: [r0, kl0], side, ...facts}) => {
  const size = 252, cell = size / side, given = rows(unpacked(examples)), noise = rows(unpacked(eps)), show = shown(facts), row = inRow(box);
  let x = given[0];
  const page = panel(row, "x: draw here", size, (a, b) => { x = x.map((v, i) => hypot(floor(i / side) + 0.5 - b / cell, i % side + 0.5 - a / cell) < 1.3 ? 1 : v); });
  const back = panel(row, "decoded mean", size), posterior = panel(row, "q(z | x): mean ± σ", size);
  const terms = surface(box, 340, 110, "The terms, as bars"), said = report(box), covered = range(box, "rows covered", [0, side, 1, 0], String);
  choice(box, ["Clear", "Quarter turn", ...given.map((_, i) => `Digit ${i + 1}`)], i => {
    x = i > 1 ? given[i - 2] : x.map((_, p) => i && x[p % side * side + side - 1 - floor(p / side)]);
  });
  painter(box, () => {
    const [ink, muted, main] = inks(), seen = x.map((v, i) => i < (side - covered()) * side ? v : 0), q = encoder(seen), Z = q.length / 2;
    const mu = q.subarray(0, Z), sd = q.subarray(Z).map(v => exp(v / 2)), each = size / Z, Y = v => size / 2 - v * size / 8;
    const r = total(noise.map(e => total(decoder(mu.map((m, i) => m + sd[i] * e[i])).map((v, i) => seen[i] * v - POINTWISE.softplus(v))))) / noise.length;
    const kl = total(mu.map((m, i) => (m * m + sd[i] ** 2 - 1) / 2 - log(sd[i])));
    picture(page, seen, side, size);
    picture(back, show(decoder(mu)), side, size);
    wipe(posterior);
    wipe(terms);
    line(posterior, [[0, Y(0)], [size, Y(0)]], muted, 1);
    mu.forEach((m, i) => {
      const x = (i + 0.5) * each;
      line(posterior, [[x, Y(m - sd[i])], [x, Y(m + sd[i])]], main, each / 2);
      dot(posterior, x, Y(m), 2.5, ink);
    });
    [["−reconstruction", -r, -r0], ["KL", kl, kl0], ["−ELBO", kl - r, kl0 - r0]].forEach(([name, nats, mean], i) => {
      const y = 20 + i * 34, X = v => 110 + min(v, 300) * 0.63;
      words(terms, name, 104, y + 5, ink, "right");
      line(terms, [[X(0), y], [X(nats), y]], HUES[i], 24);
      line(terms, [[X(mean), y - 16], [X(mean), y + 16]], ink, 2);
      words(terms, nats.toFixed(0), X(max(nats, mean)) + 5, y + 5, ink);
    });
    said.textContent = `Reconstruction ${r.toFixed(0)}, KL ${kl.toFixed(0)}, ELBO ${(r - kl).toFixed(0)} nats. Upright lines: means of test images.`;
  });
};

// One range a latent, and samples of the prior: by one decoder, or by the one that is chosen.
FIGURES.sliders = (box, networks, {names, side, start, ...facts}) => {
  const size = 224, show = shown(facts), models = Object.keys(networks);
  let decode, samples, model;
  const draw = () => { samples = times(9, () => decode(Float32Array.from(names, () => gaussian(random)))); };
  const begin = i => {
    model = models[i];
    decode = z => show(networks[model](z));
    ranges.forEach((r, k) => r(start ? floats(start[model])[k] : 0));
    draw();
  };
  if (start) choice(box, models, begin);
  const row = inRow(box), pen = panel(row, "decoded", size), prior = panel(row, "nine draws from p(z)", size), said = report(box);
  const ranges = names.map(n => range(box, n, [-3, 3, 0.05, 0]));
  choice(box, ["Draw nine"], draw);
  begin(0);
  painter(box, () => {
    const x = decode(Float32Array.from(ranges, r => r())), [ink, across, down] = centre(x, side);
    picture(pen, x, side, size);
    prior.fillStyle = HUES[7];
    prior.fillRect(0, 0, size, size);
    samples.forEach((y, i) => picture(prior, y, side, 74, i % 3 * 75, floor(i / 3) * 75));
    said.textContent = `${model}: ${ink.toFixed(0)} pixels of ink around column ${across.toFixed(1)}, row ${down.toFixed(1)}`;
  });
};
// of the ink of a picture: how much there is, and its column and its row, counted from 0
const centre = (x, side) => {
  const ink = total(x), mean = f => total(x.map((v, i) => v * f(i))) / ink;
  return [ink, mean(i => i % side), mean(i => floor(i / side))];
};

// A grid of codes, numbered from light to dark: exchange one and see which pixels follow.
FIGURES.codes = (box, {decoder}, {grids, codebook, side, ...facts}) => {
  const size = 252, show = shown(facts), all = rows(unpacked(grids)), e = unpacked(codebook), [K, Z] = e.shape;
  const n = round(sqrt(all[0].length)), each = size / n, row = inRow(box);
  let given, k, first;
  const moved = () => { code(k[where()]); };
  const point = (a, b) => { where(min(n - 1, floor(b / each)) * n + min(n - 1, floor(a / each))); moved(); };
  const pens = ["codes: point at one", "decoded", "pixels that changed"].map(name => panel(row, name, size, point)), said = report(box);
  const where = range(box, "place", [0, n * n - 1, 1, n * n >> 1], v => `row ${floor(v / n) + 1}, column ${v % n + 1}`, moved);
  const code = range(box, "its code", [0, K - 1, 1, 0], String, () => { k[where()] = code(); });
  const decode = () => {
    const z = new Float32Array(Z * k.length);
    for (let c = 0; c < Z; c++) for (let i = 0; i < k.length; i++) z[c * k.length + i] = e[k[i] * Z + c];
    return show(decoder(z)).subarray(0, side * side).map(v => min(1, max(0, v)));
  };
  const begin = i => { given = all[i]; k = given.slice(); first = decode(); moved(); };
  choice(box, all.map((_, i) => `Picture ${i + 1}`), begin);
  begin(0);
  painter(box, () => {
    const [grid, image, change] = pens, x = decode(), at = where(), other = k.map((v, i) => v !== given[i]), many = total(other);
    wipe(grid);
    k.forEach((v, i) => {
      grid.fillStyle = `hsl(205 50% ${94 - 44 * v / K}%)`;
      grid.fillRect(i % n * each, floor(i / n) * each, each - 1, each - 1);
      words(grid, v, (i % n + 0.5) * each, (floor(i / n) + 0.63) * each, "#111", "center");
    });
    picture(image, x, side, size);
    picture(change, x.map((v, i) => abs(v - first[i])), side, size);
    for (const pen of pens) {
      pen.strokeStyle = HUES[1];
      pen.lineWidth = 2;
      pen.strokeRect(at % n * each, floor(at / n) * each, each, each);
    }
    said.textContent = `${many} of ${n * n} codes exchanged` + (many ? `: ${(100 * inSquares(x, first, other, side, side / n)).toFixed(0)} % of the squared change in their own squares` : "");
  });
};
// the share of the squared change between two pictures that lies in the marked squares
const inSquares = (x, y, marked, side, own) => {
  const change = x.map((v, i) => (v - y[i]) ** 2), square = i => floor(i / side / own) * side / own + floor(i % side / own);
  return total(change.map((v, i) => v * marked[square(i)])) / total(change);
};

// min max xy: steps of size η at the same moment or by turns, with the friction γ.
FIGURES.game = box => {
  const size = 320, start = [1, 0.5];
  let turns = 1;
  const pen = surface(box, size, size, "The path of x and y; drag its start", (a, b) => { start[0] = (a / size - 0.5) * 5; start[1] = (0.5 - b / size) * 5; });
  const eta = range(box, "η", [0.01, 1, 0.01, 0.2]), gamma = range(box, "γ", [0, 2, 0.01, 0]);
  choice(box, ["At the same moment", "By turns"], i => { turns = i; });
  const said = report(box);
  painter(box, () => {
    const [ink, muted, main] = inks(), path = [start.slice()], at = ([x, y]) => [(x / 5 + 0.5) * size, (0.5 - y / 5) * size];
    for (let i = 0; i < 200; i++) {
      const [x, y] = path[i], next = x - eta() * y;
      path.push([next, y + eta() * ((turns ? next : x) - gamma() * y)]);
    }
    wipe(pen);
    line(pen, path.map(at), main);
    for (const p of path) dot(pen, ...at(p), 2, main);
    dot(pen, ...at(start), 5, ink);
    words(pen, "+", size / 2, size / 2 + 4, muted, "center");
    said.textContent = `${turns ? "By turns" : "At the same moment"}: the largest modulus of an eigenvalue is ${modulus(eta(), gamma(), turns).toFixed(4)}`;
  });
};
// of the matrix of one step, [[1, −η], [η, 1 − ηγ]], or with 1 − ηγ − η² in its corner
const modulus = (eta, gamma, turns) => {
  const corner = 1 - eta * gamma - turns * eta ** 2, half = (1 + corner) / 2, det = corner + eta ** 2, inside = half ** 2 - det;
  return inside < 0 ? sqrt(det) : abs(half) + sqrt(inside);
};

// Two Gaussians of deviation w at a distance θ: the Jensen–Shannon divergence, W₁ and their slopes.
const densities = (theta, w) => {
  let jsd = 0;
  const n = 400, low = -6 * w + min(0, theta), step = (abs(theta) + 12 * w) / n, g = x => exp(-x * x / (2 * w * w)) / (w * sqrt(2 * PI));
  for (let i = 0; i < n; i++) {
    const x = low + (i + 0.5) * step, p = g(x), q = g(x - theta), m = (p + q) / 2;
    jsd += step / 2 * ((p && p * log(p / m)) + (q && q * log(q / m)));
  }
  return [jsd, abs(theta)];
};
FIGURES.densities = box => {
  const [w, h] = [340, 220], row = inRow(box), X = v => (v / 8 + 0.5) * w;
  const above = surface(row, w, h, "Two densities, one to drag", a => { theta((a / w - 0.5) * 8); });
  const curves = surface(row, w, h, "Divergence and distance against the shift");
  const theta = range(box, "shift θ", [-4, 4, 0.02, 2]), width = range(box, "deviation", [0.05, 1, 0.01, 0.3]);
  const said = report(box);
  painter(box, () => {
    const [ink, muted, main, faint] = inks(), t = theta(), s = width(), Y = v => h - 24 - v * (h - 50) / 4, y = v => h - 24 - v * (h - 50);
    const bell = m => times(w + 1, i => [i, y(exp(-(((i / w - 0.5) * 8 - m) ** 2) / (2 * s * s)))]);
    for (const pen of [above, curves]) { wipe(pen); line(pen, [[0, h - 24], [w, h - 24]], faint, 1); }
    line(above, bell(0), main);
    line(above, bell(t), HUES[1]);
    words(above, "data", X(0), h - 8, main, "center");
    words(above, "generator", X(t), 16, HUES[1], "center");
    const steps = times(81, i => i / 10 - 4), found = steps.map(v => densities(v, s)).map(([jsd, w1]) => [4 * jsd, w1]);
    [[HUES[4], 1, "W₁"], [HUES[2], 0, "4 × JSD"]].forEach(([hue, k, name]) => { line(curves, steps.map((v, i) => [X(v), Y(found[i][k])]), hue); words(curves, name, 4 + k * 70, 14, hue); });
    line(curves, [[X(t), 20], [X(t), h - 24]], muted, 1);
    const slope = k => (densities(t + 1e-3, s)[k] - densities(t - 1e-3, s)[k]) / 2e-3, [j, d] = densities(t, s);
    words(curves, "shift θ", w - 4, h - 8, ink, "right");
    said.textContent = `JSD ${j.toFixed(3)} of at most 0.693 nats, slope ${slope(0).toFixed(4)}; W₁ ${d.toFixed(2)}, slope ${slope(1).toFixed(2)}`;
  });
};

// Points climb x ← x + ε (r(x) − x), the learned score of the noisy data up to a factor.
FIGURES.score = (box, {denoiser}, {points, low, high}) => {
  const size = 340, data = rows(unpacked(points)), from = v => (v - low) / (high - low) * size, to = v => low + v / size * (high - low);
  let paths = [[[to(40), to(60)]]];
  const pen = surface(box, size, size, "The data, and paths from where you point", (a, b, e) => { if (e.type === "pointerdown") { paths.push([[to(a), to(size - b)]]); climb(); } });
  add(box, "p", {class: "live-said"}, "Blue: where a path starts. Black: where it is 60 steps later.");
  const rate = range(box, "step ε", [0.05, 1, 0.05, 0.2], fixed, () => { paths = paths.map(p => p.slice(0, 1)); climb(); });
  const across = range(box, "start, first coordinate", [low, high, 0.05, paths[0][0][0]], fixed, () => drop()), up = range(box, "start, second coordinate", [low, high, 0.05, paths[0][0][1]], fixed, () => drop());
  const drop = () => { paths = [[[across(), up()]]]; climb(); };
  choice(box, ["Clear"], () => { paths = []; });
  const climb = () => {
    for (const path of paths) while (path.length < 60) {
      const x = path.at(-1), r = denoiser(Float32Array.from(x));
      path.push(x.map((v, i) => v + rate() * (r[i] - v)));
    }
   
  };
  painter(box, () => {
    const [ink, muted, main] = inks(), at = ([x, y]) => [from(x), size - from(y)];
    wipe(pen);
    for (const x of data) dot(pen, ...at(x), 1.3, muted);
    for (const path of paths) { line(pen, path.map(at), main); dot(pen, ...at(path[0]), 4, main); dot(pen, ...at(path.at(-1)), 4, ink); }
  });
  climb();
};

// A flow of the plane, from codes back to data: couplings, undone one after the other, carry a grid, points and their mass.
// Of a point: where it is when 0, 1, 2, ... layers are undone, and s, t of the map v → (v − t)e^(−s) that undoes the next.
const undoing = (networks, {couplings, scale, shift}) => {
  const nets = Object.values(networks), factor = unpacked(scale), offset = unpacked(shift);
  const gates = couplings.map(c => ({mask: unpacked(c.mask), c: unpacked(c.c)}));
  return z => {
    const path = [];
    for (let i = nets.length - 1, y = z; i >= -1; i--) {
      const {mask, c} = gates[i] || {}, raw = mask && nets[i](Float32Array.from(y, (v, d) => mask[d] * v));
      const step = y.map((v, d) => !mask ? [log(factor[d]), offset[d]] : mask[d] ? [0, 0] : [c[d] * Math.tanh(raw[d]), raw[y.length + d]]);
      path.push([y, step]);
      y = y.map((v, d) => (v - step[d][1]) * exp(-step[d][0]));
    }
    return path;
  };
};
const reached = (path, done) => {  // a part of a layer counts in proportion
  const at = min(path.length - 1, floor(done)), [y, step] = path[at], part = done - at;
  return y.map((v, d) => (v - part * step[d][1]) * exp(-part * step[d][0]));
};
FIGURES.flow = (box, networks, facts) => {
  const size = 340, {span, cell: [a, b, width], codes} = facts, K = facts.couplings.length, path = undoing(networks, facts);
  const along = (p, q, n) => times(n + 1, i => path([p[0] + (q[0] - p[0]) * i / n, p[1] + (q[1] - p[1]) * i / n]));
  const grid = times(9, i => i / 2 - 2).flatMap(v => [along([v, -2], [v, 2], 32), along([-2, v], [2, v], 32)]), dots = codes ? rows(unpacked(codes)).map(z => path([...z])) : [];
  const corners = [[a, b], [a + width, b], [a + width, b + width], [a, b + width], [a, b]];
  const edge = corners.slice(1).flatMap((q, i) => along(corners[i], q, 26).slice(0, -1));
  const bell = from => total(times(100, i => exp(-((from + (i + 0.5) / 100 * width) ** 2) / 2))) * width / 100 / sqrt(2 * PI), mass = bell(a) * bell(b);
  const pen = surface(box, size, size, "A grid and a cloud of codes, carried towards the data"), said = report(box);
  const layers = range(box, "layers undone", [0, K + 1, 0.05, 0], v => v > K ? `all ${K + 1}` : fixed(v));
  const stop = player(box, "Play", () => { layers(layers() >= K + 1 ? 0 : layers() + 0.05); if (layers() >= K + 1) stop(); }, 20);
  painter(box, () => {
    const [, muted, main] = inks(), done = layers(), at = ([x, y]) => [(x / span + 1) * size / 2, (1 - y / span) * size / 2];
    const now = paths => paths.map(p => reached(p, done)), rim = now(edge);
    wipe(pen);
    for (const x of now(dots)) dot(pen, ...at(x), 1.6, main);
    for (const paths of grid) line(pen, now(paths).map(at), muted, 0.8);
    const area = abs(total(rim.map(([x, y], i) => { const [p, q] = rim[(i + 1) % rim.length]; return x * q - p * y; }))) / 2;
    line(pen, [...rim, rim[0]].map(at), HUES[1], 2.5);
    said.textContent = `The orange cell: area ${area.toFixed(3)}, mean density ${(mass / area).toFixed(3)}, mass ${mass.toFixed(4)} all along`;
  });
};
