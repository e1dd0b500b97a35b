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
    const n = sizes[i], w = Float32Array.from({length: (n + 1) * out}, (_, j) => j < n * out ? normal() * sqrt(2 / n) : 0);
    return {n, out, w, g: w.map(() => 0), m: w.map(() => 0), v: w.map(() => 0)};
  });
  let t = 0;
  return {
    layers,
    forward(x, B) { // (B, n) -> (B, out); hidden units are leaky
      layers.forEach((l, depth) => {
        const {n, out, w} = l, y = new Float32Array(B * out), last = depth === layers.length - 1;
        for (let b = 0, at = 0; b < B; b++) for (let o = 0; o < out; o++) {
          let sum = w[n * out + o];
          for (let i = 0; i < n; i++) sum += w[o * n + i] * x[b * n + i];
          y[at++] = last || sum > 0 ? sum : 0.2 * sum;
        }
        [l.x, l.y, x] = [x, y, y];
      });
      return x;
    },
    backward(d, B) { // adds to the gradients of the weights, returns that of the input
      for (let depth = layers.length - 1; depth >= 0; depth--) {
        const {n, out, w, g, x, y} = layers[depth], dx = new Float32Array(B * n), last = depth === layers.length - 1;
        for (let b = 0, at = 0; b < B; b++) for (let o = 0; o < out; o++, at++) {
          const e = last || y[at] > 0 ? d[at] : 0.2 * d[at];
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
  const sign = (scores, s) => scores.map(v => s * POINTWISE.sigmoid(s * v) / B); // of the mean softplus(s v)
  const fake = G.forward(z, B);
  D.zero();
  D.backward(sign(D.forward(real, B), -1), B);
  D.backward(sign(D.forward(fake, B), 1), B);
  D.adam(lr);
  for (const other of more) {
    G.zero();
    G.backward(D.backward(sign(D.forward(G.forward(other, B), B), -1), B), B);
    G.adam(lr);
  }
}

FIGURES.ring = box => {
  const size = 320, B = 64, SD = 0.02;
  let game, steps;
  const pen = surface(box, size, size, "Eight modes, and samples of the generator");
  const seed = range(box, "seed", [0, 9, 1, 0], String, () => anew());
  const faster = range(box, "updates of G for one of D", [1, 10, 1, 1], String);
  const rate = range(box, "learning rate, log₁₀", [-4, -1.5, 0.1, -2.5], v => v.toFixed(1), () => { game.lr = 10 ** rate(); });
  const said = report(box), modes = times(8, i => [cos(i * PI / 4), sin(i * PI / 4)]);
  const train = () => {
    const [uniform, normal] = game.draw, real = new Float32Array(2 * B);
    for (let b = 0; b < B; b++) modes[floor(8 * uniform())].forEach((c, d) => { real[2 * b + d] = c + SD * normal(); });
    const noise = () => Float32Array.from({length: 2 * B}, normal);
    ringStep(game, real, B, ...times(1 + faster(), noise));
    steps++;
  };
  const busy = begun => performance.now() - begun < (STILL.matches ? 0 : 6); // milliseconds of a frame
  const play = player(box, "Train", () => { const begun = performance.now(); do train(); while (busy(begun)); }, 100);
  const anew = () => {
    play();
    const draw = generator(1 + seed());
    game = {G: perceptron([2, 32, 32, 2], draw[1]), D: perceptron([2, 32, 32, 1], draw[1]), lr: 10 ** rate(), draw, look: Float32Array.from({length: 800}, draw[1])};
    steps = 0;
   
  };
  painter(box, () => {
    const [ink, , main] = inks(), at = v => (v / 3.2 + 0.5) * size, x = game.G.forward(game.look, 400), count = modes.map(() => 0);
    wipe(pen);
    for (let i = 0; i < 400; i++) {
      const near = modes.map(([p, q]) => hypot(x[2 * i] - p, x[2 * i + 1] - q)), best = near.indexOf(min(...near));
      if (near[best] < 10 * SD) count[best]++;
      dot(pen, at(x[2 * i]), size - at(x[2 * i + 1]), 1.8, main);
    }
    for (const [p, q] of modes) dot(pen, at(p), size - at(q), 10 * SD / 3.2 * size, ink, 1);
    said.textContent = `${steps} updates of D; ${count.filter(n => n >= 4).length} of 8 modes hold at least 1 % of 400 samples`;
  });
  anew();
};
