// Layers stored by genlib.live, computed as torch does. A network is a function of one input, a list of numbers.

const {PI, abs, ceil, cos, exp, floor, hypot, log, max, min, random, sin, sqrt, tanh} = Math;
const times = (n, make) => Array.from({length: n}, (_, i) => make(i));
const zeros = n => new Float32Array(n);
const rows = (flat, n) => times(flat.length / n, i => flat.subarray(i * n, i * n + n));
const total = x => x.reduce((a, b) => a + b, 0);
const mean = x => total(x) / x.length;
const gaussian = uniform => sqrt(-2 * log(1 - uniform())) * cos(2 * PI * uniform()); // Box and Muller

const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer;

// A record with the tensors in it unpacked: a vector, or a list of the rows of a matrix.
function unpacked(value) {
  if (value?.f32) {
    const flat = new Float32Array(bytes(value.f32)), n = value.shape[1];
    return n ? rows(flat, n) : flat;
  }
  if (typeof value === "object") for (const key in value) value[key] = unpacked(value[key]);
  return value;
}

// One scale for each channel that comes out, which is the first axis of the weights, or the second.
function weights({shape, i8, scale}, second) {
  const steps = new Int8Array(bytes(i8)), n = scale.length, each = steps.length / n / (second ? shape[0] : 1);
  return zeros(steps.length).map((_, i) => steps[i] * scale[floor(i / each) % n]);
}

const POINTWISE = {
  relu: x => max(x, 0),
  leaky: (x, slope) => x > 0 ? x : slope * x,
  sigmoid: x => 1 / (1 + exp(-x)),
  tanh,
  silu: x => x / (1 + exp(-x)),
  elu: (x, alpha) => x > 0 ? x : alpha * Math.expm1(x),
  softplus: x => max(x, 0) + Math.log1p(exp(-abs(x))),
};

// Of each: what it computes, and the shape of what comes out, if it is another.
const LAYERS = {
  view: ({shape}) => [x => x, shape],
  pointwise: ({f: [name, extra]}) => [x => x.map(v => POINTWISE[name](v, extra))],
  linear({w, b}) {
    const W = weights(w);
    return [x => b.map((sum, o) => {
      for (let i = 0; i < x.length; i++) sum += W[o * x.length + i] * x[i];
      return sum;
    }), [b.length]];
  },
  affine: ({a, b}) => [x => x.map((v, i) => {
    const channel = floor(i * a.length / x.length);
    return a[channel] * v + b[channel];
  })],
  norm: ({a, b, eps}) => [x => {
    const middle = mean(x), width = sqrt(mean(x.map(v => (v - middle) ** 2)) + eps);
    return x.map((v, i) => (v - middle) / width * a[i] + b[i]);
  }],
  add({layers}, shape) {
    const inner = network(layers, shape);
    return [x => inner(x).map((v, i) => v + x[i])];
  },
  conv: convolution,
  up: (layer, shape) => convolution(layer, shape, true),
};

// A convolution, or its adjoint. Each weight joins pixels of a small picture to pixels of a large one, met from either side.
function convolution({w, b, stride, pad, more}, given, up) {
  const [, , kh, kw] = w.shape, W = weights(w, up);
  const size = (n, k) => up ? (n - 1) * stride - 2 * pad + k + more : floor((n + 2 * pad - k) / stride) + 1;
  const made = [b.length, size(given[1], kh), size(given[2], kw)], area = made[1] * made[2];
  const [[C, height, width], [D, tall, wide]] = up ? [given, made] : [made, given];
  return [x => {
    const y = zeros(area * b.length).map((_, i) => b[floor(i / area)]);
    let at = 0;
    for (let c = 0; c < C; c++) for (let d = 0; d < D; d++) for (let p = 0; p < kh; p++) for (let q = 0; q < kw; q++) {
      const value = W[at++];
      const from = max(0, ceil((pad - q) / stride)), to = min(width, floor((wide - 1 + pad - q) / stride) + 1);
      for (let i = 0; i < height; i++) {
        const row = i * stride + p - pad;
        if (row >= 0 && row < tall) for (let j = from; j < to; j++) {
          const small = (c * height + i) * width + j, large = (d * tall + row) * wide + j * stride + q - pad;
          if (up) y[large] += value * x[small];
          else y[small] += value * x[large];
        }
      }
    }
    return y;
  }, made];
}

function network(layers, shape) {
  const steps = layers.map(layer => {
    const [step, made = shape] = LAYERS[layer.kind](layer, shape);
    shape = made;
    return step;
  });
  return x => steps.reduce((y, step) => step(y), Float32Array.from(x));
}
