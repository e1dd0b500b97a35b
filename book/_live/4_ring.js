// A GAN on a ring of eight Gaussians, trained in the page: two networks, their gradients written out, Adam.

function generator(seed) { // mulberry32: uniform numbers, and Gaussian ones from them
  const uniform = () => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
  };
  return [uniform, () => gaussian(uniform)];
}

function perceptron(sizes, normal) {
  const layers = sizes.slice(1).map((out, i) => {
    const n = sizes[i], fresh = () => zeros((n + 1) * out), w = fresh().map((_, j) => j < n * out ? normal() * sqrt(2 / n) : 0);
    return {n, out, w, g: fresh(), m: fresh(), v: fresh(), slope: i < sizes.length - 2 ? 0.2 : 1}; // leaky, but for the last
  });
  let t = 0;
  return {
    layers,
    forward(x, B) { // (B, n) -> (B, out)
      for (const layer of layers) {
        const {n, out, w, slope} = layer, y = zeros(B * out);
        for (let b = 0, at = 0; b < B; b++) for (let o = 0; o < out; o++) {
          let sum = w[n * out + o];
          for (let i = 0; i < n; i++) sum += w[o * n + i] * x[b * n + i];
          y[at++] = sum > 0 ? sum : slope * sum;
        }
        [layer.x, layer.y, x] = [x, y, y];
      }
      return x;
    },
    backward(d, B) { // adds to the gradients of the weights, returns that of the input
      for (const {n, out, w, g, x, y, slope} of [...layers].reverse()) {
        const dx = zeros(B * n);
        for (let b = 0, at = 0; b < B; b++) for (let o = 0; o < out; o++, at++) {
          const e = y[at] > 0 ? d[at] : slope * d[at];
          g[n * out + o] += e;
          for (let i = 0; i < n; i++) {
            g[o * n + i] += e * x[b * n + i];
            dx[b * n + i] += e * w[o * n + i];
          }
        }
        d = dx;
      }
      return d;
    },
    zero() { for (const l of layers) l.g.fill(0); },
    adam(lr, b1 = 0.5, b2 = 0.9) {
      t++;
      for (const {w, g, m, v} of layers) for (let i = 0; i < w.length; i++) {
        m[i] = b1 * m[i] + (1 - b1) * g[i];
        v[i] = b2 * v[i] + (1 - b2) * g[i] ** 2;
        w[i] -= lr * m[i] / (1 - b1 ** t) / (sqrt(v[i] / (1 - b2 ** t)) + 1e-8);
      }
    },
  };
}

// One update of D by −log D(x) − log(1 − D(x̃)), then one of G by −log D(x̃) for each further z; B examples of each.
function ringStep({G, D, lr}, real, B, z, ...more) {
  const slopes = (x, s) => D.forward(x, B).map(v => s * POINTWISE.sigmoid(s * v) / B); // of the mean softplus(s D(x))
  const fake = G.forward(z, B);
  D.zero();
  D.backward(slopes(real, -1), B);
  D.backward(slopes(fake, 1), B);
  D.adam(lr);
  for (const other of more) {
    G.zero();
    G.backward(D.backward(slopes(G.forward(other, B), -1), B), B);
    G.adam(lr);
  }
}

FIGURES.ring = box => {
  const size = 320, B = 64, SD = 0.02, modes = times(8, i => [cos(i * PI / 4), sin(i * PI / 4)]);
  let game, steps;
  const pen = surface(box, "Eight modes and samples", [size, size], [-1.6, 1.6, 1.6, -1.6]);
  painter(box, (ink, muted, main) => {
    const samples = rows(game.G.forward(game.look, 400), 2);
    const held = ([p, q]) => samples.filter(([x, y]) => hypot(x - p, y - q) < 10 * SD).length >= 4;
    for (const x of samples) dot(pen, x, 1.8, main);
    for (const mode of modes) dot(pen, mode, 10 * SD / 3.2 * size, ink, 1);
    return `${steps} updates of D; ${modes.filter(held).length} of 8 modes hold at least 1 % of 400 samples`;
  });
  const anew = () => {
    const [uniform, normal] = generator(1 + seed()), noise = n => zeros(2 * n).map(normal);
    stop();
    game = {G: perceptron([2, 32, 32, 2], normal), D: perceptron([2, 32, 32, 1], normal), uniform, normal, noise, look: noise(400)};
    steps = 0;
  };
  const train = () => {
    const {uniform, normal, noise} = game;
    const real = times(B, () => modes[floor(8 * uniform())].map(c => c + SD * normal())).flat();
    ringStep({...game, lr: 10 ** rate()}, real, B, ...times(1 + faster(), () => noise(B)));
    steps++;
  };
  const seed = range(box, "seed", [0, 9, 1, 0], String, () => anew());
  const faster = range(box, "updates of G for one of D", [1, 10, 1, 1], String);
  const rate = range(box, "learning rate, log₁₀", [-4, -1.5, 0.1, -2.5], v => fixed(v, 1));
  const stop = player(box, "Train", train, 100, 6);
  anew();
};
