// Layers stored by genlib.live, computed as torch does. A network is a function of one input, a Float32Array.

const {PI, abs, ceil, cos, exp, floor, hypot, log, max, min, random, round, sin, sqrt} = Math;
const gaussian = uniform => sqrt(-2 * log(1 - uniform())) * cos(2 * PI * uniform()); // Box and Muller
const times = (n, make) => Array.from({length: n}, (_, i) => make(i));

const total = x => x.reduce((a, b) => a + b, 0);
const product = x => x.reduce((a, b) => a * b, 1);

const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer;
const floats = packed => new Float32Array(bytes(packed.f32));

function weights({shape, i8, scale}, out) {
  const factor = floats(scale), inner = product(shape.slice(out + 1));
  return Float32Array.from(new Int8Array(bytes(i8)), (step, i) => step * factor[floor(i / inner) % shape[out]]);
}

const POINTWISE = {
  relu: x => x > 0 ? x : 0,
  leaky: (x, slope) => x > 0 ? x : slope * x,
  sigmoid: x => 1 / (1 + exp(-x)),
  tanh: Math.tanh,
  silu: x => x / (1 + exp(-x)),
  elu: (x, alpha) => x > 0 ? x : alpha * Math.expm1(x),
  softplus: x => max(x, 0) + Math.log1p(exp(-abs(x))),
};

const LAYERS = {
  view: (layer) => [layer.shape, x => x],
  pointwise({f: [name, extra]}, shape) {
    return [shape, x => x.map(value => POINTWISE[name](value, extra))];
  },
  linear({w, b}, shape) {
    const [out, n] = w.shape, W = weights(w, 0), B = floats(b);
    return [[out], x => {
      const y = new Float32Array(out);
      for (let o = 0, at = 0; o < out; o++) {
        let sum = B[o];
        for (let i = 0; i < n; i++) sum += W[at++] * x[i];
        y[o] = sum;
      }
      return y;
    }];
  },
  affine({a, b}, shape) {
    const A = floats(a), B = floats(b), each = product(shape.slice(1));
    return [shape, x => x.map((value, i) => A[floor(i / each)] * value + B[floor(i / each)])];
  },
  norm({a, b, eps}, shape) {
    const A = floats(a), B = floats(b);
    return [shape, x => {
      const mean = total(x) / x.length;
      const width = sqrt(total(x.map(v => (v - mean) ** 2)) / x.length + eps);
      return x.map((value, i) => (value - mean) / width * A[i] + B[i]);
    }];
  },
  add({layers}, shape) {
    const inner = network(layers, shape);
    return [shape, x => inner(x).map((value, i) => value + x[i])];
  },
  conv: (layer, shape) => convolution(layer, shape, false),
  up: (layer, shape) => convolution(layer, shape, true),
};

// A convolution, or its adjoint: the same pairs of a small and a large pixel, met from either side.
function convolution({w, b, stride, pad, more = 0}, [channels, height, width], up) {
  const [, , kh, kw] = w.shape, out = w.shape[up ? 1 : 0], W = weights(w, up ? 1 : 0), B = floats(b);
  const size = (n, k) => up ? (n - 1) * stride - 2 * pad + k + more : floor((n + 2 * pad - k) / stride) + 1;
  const shape = [out, size(height, kh), size(width, kw)];
  const [small, large] = up ? [[height, width], shape.slice(1)] : [shape.slice(1), [height, width]];
  return [shape, x => {
    const area = shape[1] * shape[2], y = new Float32Array(out * area);
    for (let o = 0; o < out; o++) y.fill(B[o], o * area, (o + 1) * area);
    for (let o = 0; o < out; o++) for (let c = 0; c < channels; c++) {
      for (let p = 0; p < kh; p++) for (let q = 0; q < kw; q++) {
        const value = W[(((up ? c * out + o : o * channels + c) * kh) + p) * kw + q];
        const from = max(0, ceil((pad - q) / stride));
        const to = min(small[1] - 1, floor((large[1] - 1 + pad - q) / stride));
        for (let i = 0; i < small[0]; i++) {
          const row = i * stride + p - pad;
          if (row < 0 || row >= large[0]) continue;
          let s = ((up ? c : o) * small[0] + i) * small[1] + from;
          let l = ((up ? o : c) * large[0] + row) * large[1] + from * stride + q - pad;
          if (up) for (let j = from; j <= to; j++, s++, l += stride) y[l] += value * x[s];
          else for (let j = from; j <= to; j++, s++, l += stride) y[s] += value * x[l];
        }
      }
    }
    return y;
  }];
}

function network(layers, shape) {
  const steps = layers.map(layer => {
    const [next, step] = LAYERS[layer.kind](layer, shape);
    shape = next;
    return step;
  });
  return x => steps.reduce((value, step) => step(value), x);
}
