// Each figure is a function of its box, its networks by name and its facts.

const FIGURES = {};

const pixels = logits => logits.map(POINTWISE.sigmoid);
const shown = scale => scale ? y => y.map(v => scale[0] * v + scale[1]) : pixels;

// Two planes of codes: a way from one digit's code to another's in both, any place in each, and what it decodes to.
FIGURES.plane = (box, networks, {codes, labels, ends, names, low, high, radius, scale}) => {
  const size = 250, show = shown(scale), row = inRow(box);
  let at = {};
  const draws = Object.keys(networks).sort((a, b) => a.localeCompare(b)).map(name => {
    const first = ends[name], all = d => first.map(z => z[d]);
    const [left, bottom] = low[name].map((v, d) => min(v, ...all(d)));
    const [right, top] = high[name].map((v, d) => max(v, ...all(d)));
    const pen = panel(row, `${name}: drag`, size, [left, top, right, bottom], (x, y) => { at[name] = [x, y]; });
    const image = surface(pen.canvas.parentNode, `decoded, ${name}`, [size, size], []);
    return (ink, muted) => {
      const start = first[from()], end = first[to()], z = at[name] || start.map((v, d) => v + way() * (end[d] - v));
      line(pen, times(64, i => [radius * cos(i / 10), radius * sin(i / 10)]), muted, 1);
      codes[name].forEach((z, i) => dot(pen, z, 1.7, HUES[labels[i] % 10]));
      line(pen, [start, end], ink, 1);
      first.forEach((z, i) => words(pen, names[i], z, ink));
      dot(pen, z, 7, ink, 2.5);
      picture(image, show(networks[name](z)), size);
      return `${name} at ${fixed(z[0])}, ${fixed(z[1])}`;
    };
  });
  painter(box, (...colours) => draws.map(draw => draw(...colours)).join("; "));
  const walk = () => { at = {}; };
  const digit = (name, value) => range(box, name, [0, names.length - 1, 1, value], v => names[v], walk);
  const from = digit("from a", 0), to = digit("to a", 1);
  const way = range(box, "on the way", [0, 1, 0.01, 0.5], fixed, walk);
};

// Draw a digit: q(z | x), what its mean decodes to, and the two terms of the ELBO.
FIGURES.digit = (box, {encoder, decoder}, {examples, eps, usual: [r0, kl0], side, scale}) => {
  const size = 252, show = shown(scale), row = inRow(box), Z = eps[0].length;
  let x = examples[0];
  const page = panel(row, "x: draw here", size, [0, 0, side, side], (a, b) => {
    x = x.map((v, i) => hypot(i % side + 0.5 - a, floor(i / side) + 0.5 - b) < 1.3 ? 1 : v);
  });
  const back = panel(row, "decoded mean", size, []), posterior = panel(row, "q(z | x): mean ± σ", size, [0, 4, Z, -4]);
  const terms = surface(box, "The terms as bars", [340, 110], [-175, -0.6, 365, 2.6]);
  painter(box, (ink, muted, main) => {
    const seen = x.map((v, i) => i < (side - covered()) * side ? v : 0), q = encoder(seen);
    const mu = q.subarray(0, Z), sd = q.subarray(Z).map(v => exp(v / 2));
    const likelihood = z => total(decoder(z).map((v, i) => seen[i] * v - POINTWISE.softplus(v)));
    const r = mean(eps.map(e => likelihood(mu.map((m, d) => m + sd[d] * e[d]))));
    const kl = total(mu.map((m, d) => (m * m + sd[d] ** 2 - 1) / 2 - log(sd[d])));
    picture(page, seen, size);
    picture(back, show(decoder(mu)), size);
    line(posterior, [[0, 0], [Z, 0]], muted, 1);
    mu.forEach((m, d) => {
      line(posterior, [[d + 0.5, m - sd[d]], [d + 0.5, m + sd[d]]], main, size / Z / 2);
      dot(posterior, [d + 0.5, m], 2.5, ink);
    });
    [["−reconstruction", -r, -r0], ["KL", kl, kl0], ["−ELBO", kl - r, kl0 - r0]].forEach(([name, nats, usual], i) => {
      const end = min(nats, 300), mark = min(usual, 300);
      words(terms, name, [-10, i + 0.15], ink, "right");
      line(terms, [[0, i], [end, i]], HUES[i], 24);
      line(terms, [[mark, i - 0.45], [mark, i + 0.45]], ink, 2);
      words(terms, fixed(nats, 0), [max(end, mark) + 8, i + 0.15], ink, "left");
    });
    return `Reconstruction ${fixed(r, 0)}, KL ${fixed(kl, 0)}, ELBO ${fixed(r - kl, 0)} nats. Lines: means of test images.`;
  });
  const covered = range(box, "rows covered", [0, side, 1, 0], String);
  choice(box, ["Clear", "Quarter turn", ...examples.map((_, i) => `Digit ${i + 1}`)], i => {
    x = i > 1 ? examples[i - 2] : x.map((_, p) => i && x[p % side * side + side - 1 - floor(p / side)]);
  });
};

// One range a latent, and samples of the prior: by one decoder, or by the one that is chosen.
FIGURES.sliders = (box, networks, {names, side, start, scale}) => {
  const size = 224, show = shown(scale), models = Object.keys(networks);
  let model, samples;
  const decode = z => show(networks[model](z));
  const draw = () => { samples = times(9, () => decode(names.map(() => gaussian(random)))); };
  const begin = i => {
    model = models[i];
    ranges.forEach((r, d) => r(start?.[model][d] || 0));
    draw();
  };
  if (start) choice(box, models, begin);
  const row = inRow(box), one = panel(row, "decoded", size, []), prior = panel(row, "nine draws from p(z)", size, []);
  painter(box, () => {
    const x = decode(ranges.map(r => r())), [ink, across, down] = centre(x, side);
    picture(one, x, size);
    block(prior, HUES[7], size);
    samples.forEach((y, i) => picture(prior, y, 74, i % 3 * 75, floor(i / 3) * 75));
    return `${model}: ${fixed(ink, 0)} pixels of ink around column ${fixed(across, 1)}, row ${fixed(down, 1)}`;
  });
  const ranges = names.map(n => range(box, n, [-3, 3, 0.05, 0]));
  choice(box, ["Draw nine"], draw);
  begin(0);
};
// of the ink of a picture: how much there is, and its column and its row, counted from 0
const centre = (x, side) => {
  const ink = total(x), weighed = f => total(x.map((v, i) => v * f(i))) / ink;
  return [ink, weighed(i => i % side), weighed(i => floor(i / side))];
};

// A grid of codes, numbered from light to dark: exchange one and see which pixels follow.
FIGURES.codes = (box, {decoder}, {grids, codebook, side, scale}) => {
  const size = 252, show = shown(scale), n = sqrt(grids[0].length), each = size / n, row = inRow(box);
  let given, k, first;
  const moved = () => { code(k[where()]); };
  const inside = v => clamp(floor(v), n - 1);
  const point = (a, b) => { where(inside(b) * n + inside(a)); moved(); };
  const pens = ["codes: point at one", "decoded", "pixels that changed"].map(name => panel(row, name, size, [0, 0, n, n], point));
  const decode = () => {
    const z = codebook[0].length;
    return show(decoder(times(z * k.length, i => codebook[k[i % k.length]][floor(i / k.length)]))).subarray(0, side * side).map(v => clamp(v, 1));
  };
  const begin = i => { given = grids[i]; k = given.slice(); first = decode(); moved(); };
  painter(box, () => {
    const [grid, image, change] = pens, x = decode(), at = where(), other = k.map((v, i) => v !== given[i]), many = total(other);
    k.forEach((v, i) => {
      block(grid, `hsl(205 50% ${94 - 44 * v / codebook.length}%)`, each - 1, i % n * each, floor(i / n) * each);
      words(grid, v, [i % n + 0.5, floor(i / n) + 0.63], "#111");
    });
    picture(image, x, size);
    picture(change, x.map((v, i) => abs(v - first[i])), size);
    for (const pen of pens) line(pen, square(at % n, floor(at / n), 1), HUES[1], 2);
    return `${many} of ${n * n} codes exchanged` + (many ? `: ${fixed(100 * inSquares(x, first, other, side, side / n), 0)} % of the squared change in their own squares` : "");
  });
  const where = range(box, "place", [0, n * n - 1, 1, n * n >> 1], v => `row ${floor(v / n) + 1}, column ${v % n + 1}`, moved);
  const code = range(box, "its code", [0, codebook.length - 1, 1, 0], String, () => { k[where()] = code(); });
  choice(box, grids.map((_, i) => `Picture ${i + 1}`), begin);
  begin(0);
};
// the share of the squared change between two pictures that lies in the marked squares
const inSquares = (x, y, marked, side, own) => {
  const change = x.map((v, i) => (v - y[i]) ** 2), square = i => floor(i / side / own) * side / own + floor(i % side / own);
  return total(change.map((v, i) => v * marked[square(i)])) / total(change);
};

// min max xy: steps of size η at the same moment or by turns, with the friction γ.
FIGURES.game = box => {
  const manners = ["At the same moment", "By turns"];
  let start = [1, 0.5], turns = 1;
  const pen = surface(box, "Path of x and y; drag its start", [320, 320], [-2.5, 2.5, 2.5, -2.5], (x, y) => { start = [x, y]; });
  painter(box, (ink, muted, main) => {
    const path = [start], a = eta(), c = gamma();
    for (let i = 0; i < 200; i++) {
      const [x, y] = path[i], next = x - a * y;
      path.push([next, y + a * ((turns ? next : x) - c * y)]);
    }
    line(pen, path, main);
    for (const p of path) dot(pen, p, 2, main);
    dot(pen, start, 5, ink);
    words(pen, "+", [0, -0.03], muted);
    return `${manners[turns]}: largest modulus of an eigenvalue ${fixed(modulus(a, c, turns), 4)}`;
  });
  const eta = range(box, "η", [0.01, 1, 0.01, 0.2]), gamma = range(box, "γ", [0, 2, 0.01, 0]);
  choice(box, manners, i => { turns = i; });
};
// of the matrix of one step, [[1, −η], [η, 1 − ηγ]], or with 1 − ηγ − η² in its corner
const modulus = (eta, gamma, turns) => {
  const corner = 1 - eta * gamma - turns * eta ** 2, half = (1 + corner) / 2, det = corner + eta ** 2, inside = half ** 2 - det;
  return inside < 0 ? sqrt(det) : abs(half) + sqrt(inside);
};

// Two Gaussians of deviation w at a distance θ: the Jensen–Shannon divergence, W₁ and their slopes.
const densities = (theta, w) => {
  const n = 400, step = (abs(theta) + 12 * w) / n, bell = x => exp(-x * x / (2 * w * w)) / (w * sqrt(2 * PI));
  const jsd = total(times(n, i => {
    const x = min(0, theta) - 6 * w + (i + 0.5) * step, p = bell(x), q = bell(x - theta), m = (p + q) / 2;
    return step / 2 * ((p && p * log(p / m)) + (q && q * log(q / m)));
  }));
  return [jsd, abs(theta)];
};
FIGURES.densities = box => {
  const size = [340, 220], window = [-4, 1.15, 4, -0.14], row = inRow(box);
  const above = surface(row, "Two densities, one to drag", size, window, x => { theta(x); });
  const curves = surface(row, "Divergence and distance", size, window);
  painter(box, (ink, muted, main, faint) => {
    const t = theta(), w = width(), [jsd, w1] = densities(t, w);
    const bell = middle => times(341, i => i / 42.5 - 4).map(x => [x, exp(-(((x - middle) / w) ** 2) / 2)]);
    const slope = k => (densities(t + 1e-3, w)[k] - densities(t - 1e-3, w)[k]) / 2e-3;
    for (const pen of [above, curves]) line(pen, [[-4, 0], [4, 0]], faint, 1);
    line(above, bell(0), main);
    line(above, bell(t), HUES[1]);
    words(above, "data", [0, -0.1], main);
    words(above, "generator", [t, 1.06], HUES[1]);
    line(curves, [[-4, 1], [0, 0], [4, 1]], HUES[4]);
    line(curves, times(81, i => i / 10 - 4).map(x => [x, densities(x, w)[0]]), HUES[2]);
    line(curves, [[t, 0], [t, 1]], muted, 1);
    words(curves, "W₁", [-3.7, 1.06], HUES[4]);
    words(curves, "4 × JSD", [-2.2, 1.06], HUES[2]);
    words(curves, "shift θ", [3.4, -0.1], ink);
    return `JSD ${fixed(jsd, 3)} of at most 0.693 nats, slope ${fixed(slope(0), 4)}; W₁ ${fixed(w1)}, slope ${fixed(slope(1))}`;
  });
  const theta = range(box, "shift θ", [-4, 4, 0.02, 2]), width = range(box, "deviation", [0.05, 1, 0.01, 0.3]);
};

// Points climb x ← x + ε (r(x) − x), the learned score of the noisy data up to a factor.
FIGURES.score = (box, {denoiser}, {points, low, high}) => {
  let starts;
  const pen = surface(box, "Data, and paths from where you point", [340, 340], [low, high, high, low], (x, y, event) => {
    if (event.type === "pointerdown") starts.push([x, y]);
  });
  painter(box, (ink, muted, main) => {
    const e = step();
    for (const x of points) dot(pen, x, 1.3, muted);
    for (const start of starts) {
      const path = [start];
      times(60, i => { const r = denoiser(path[i]); path.push(path[i].map((v, d) => v + e * (r[d] - v))); });
      line(pen, path, main);
      dot(pen, start, 4, main);
      dot(pen, path[60], 4, ink);
    }
    return "Coloured: where paths start. Others: where they are 60 steps later.";
  });
  const drop = () => { starts = [[across(), up()]]; };
  const step = range(box, "step ε", [0.05, 1, 0.05, 0.2]);
  const across = range(box, "start, x₁", [low, high, 0.05, low * 0.76], fixed, drop);
  const up = range(box, "start, x₂", [low, high, 0.05, low * 0.64], fixed, drop);
  choice(box, ["Clear"], () => { starts = []; });
  drop();
};

// A flow of the plane, from codes back to data: couplings, undone one after the other, carry a grid, points and their mass.
// Of a point: where it is when 0, 1, 2, ... layers are undone, and s, t of the map v → (v − t)e^(−s) that undoes the next.
const undoing = (networks, {couplings, scale, shift}) => {
  const nets = Object.values(networks);
  return z => {
    const path = [];
    for (let i = nets.length - 1, y = z; i >= -1; i--) {
      const {mask, c} = couplings[i] || {}, raw = mask && nets[i](y.map((v, d) => mask[d] * v));
      const step = y.map((v, d) => !mask ? [log(scale[d]), shift[d]] : mask[d] ? [0, 0] : [c[d] * tanh(raw[d]), raw[y.length + d]]);
      path.push([y, step]);
      y = undone(y, step, 1);
    }
    return path;
  };
};
const undone = (y, step, part) => y.map((v, d) => (v - part * step[d][1]) * exp(-part * step[d][0]));
const reached = (path, done) => {  // a part of a layer counts in proportion
  const at = min(path.length - 1, floor(done));
  return undone(...path[at], done - at);
};
FIGURES.flow = (box, networks, facts) => {
  const {span, cell: [a, b, width], codes = []} = facts, all = facts.couplings.length + 1, path = undoing(networks, facts);
  const along = ([x, y], [p, q]) => times(33, i => path([x + (p - x) * i / 32, y + (q - y) * i / 32]));
  const grid = times(9, i => i / 2 - 2).flatMap(v => [along([v, -2], [v, 2]), along([-2, v], [2, v])]);
  const dots = codes.map(z => path([...z])), corners = square(a, b, width);
  const edge = corners.slice(1).flatMap((to, i) => along(corners[i], to));
  const within = from => mean(times(100, i => exp(-((from + (i + 0.5) / 100 * width) ** 2) / 2))) * width / sqrt(2 * PI);
  const mass = within(a) * within(b);
  const pen = surface(box, "Grid and codes, carried to the data", [340, 340], [-span, span, span, -span]);
  painter(box, (ink, muted, main) => {
    const now = paths => paths.map(p => reached(p, layers())), rim = now(edge);
    const area = abs(total(rim.map(([x, y], i) => { const [p, q] = rim.at(i - 1); return p * y - q * x; }))) / 2;
    for (const x of now(dots)) dot(pen, x, 1.6, main);
    for (const paths of grid) line(pen, now(paths), muted, 0.8);
    line(pen, rim, HUES[1], 2.5);
    return `The orange cell: area ${fixed(area, 3)}, mean density ${fixed(mass / area, 3)}, mass ${fixed(mass, 4)} all along`;
  });
  const layers = range(box, "layers undone", [0, all, 0.05, 0], v => v === all ? `all ${all}` : fixed(v));
  const stop = player(box, "Play", () => { layers(layers() >= all ? 0 : layers() + 0.05); if (layers() >= all) stop(); }, 20);
};
