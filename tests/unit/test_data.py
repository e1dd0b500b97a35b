"""Data: downloads from a server on this machine, whole, cut, wrong and interrupted; the embedded and drawn sets."""

import gzip
import hashlib
import http.server
import io
import itertools
import json
import math
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pooch
import pytest
import torch

from genlib import data
from genlib.data import Batches, DataError, Split

pytestmark = pytest.mark.usefixtures("own")

# --- published sets from a small server -------------------------------------------------------------------------------

NAMES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
NPZ = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"


def idx(array):
    """An array as the bytes of an idx file."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@pytest.fixture(scope="module")
def small():
    """A data set in MNIST's form: {file name: content}, 30 training and 12 test images."""
    rng, files = np.random.default_rng(0), {}
    for part, n in (("train", 30), ("t10k", 12)):
        files[f"{part}-images-idx3-ubyte"] = idx(rng.integers(0, 256, (n, 28, 28), dtype=np.uint8))
        files[f"{part}-labels-idx1-ubyte"] = idx(np.arange(n, dtype=np.uint8) % 10)
    return files


class Server:
    """Serves {path: bytes} on 127.0.0.1. ``wrong`` replaces contents; the first ``cuts`` answers to a path stop half
    way; ``slow`` waits at half; ``got`` holds the paths asked for, in order."""

    def __init__(self, files):
        self.files, self.wrong, self.cuts, self.slow, self.got = files, {}, {}, None, []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = Path(self.path).name
                content = server.wrong.get(name, server.files.get(name))
                if content is None or "gone" in self.path:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                server.got.append(name)
                half = len(content) // 2
                self.wfile.write(content[:half])
                self.wfile.flush()
                if server.cuts.get(name, 0):
                    server.cuts[name] -= 1
                    return
                if server.slow == name:
                    time.sleep(30)
                self.wfile.write(content[half:])

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None  # a client that was killed
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


def served(files, monkeypatch):
    """A server of these files, from which pooch tries again at once."""
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))
    return Server(files)


def sums(files):
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


@pytest.fixture
def server(small, monkeypatch):
    server = served({f"{name}.gz": gzip.compress(content, mtime=0) for name, content in small.items()}, monkeypatch)
    yield server
    server.close()


@pytest.fixture
def small_mnist(small, server, monkeypatch):
    """genlib's idea of MNIST is the small set, to be had from the server."""
    setting = {"urls": [f"{server.url}{{}}.gz"], "sha256": sums(small)}
    monkeypatch.setitem(data.PUBLISHED, "MNIST", setting)
    return setting


# The same in another process: the setting comes as JSON, what was loaded goes out as a sum.
LOAD = """
import hashlib, json, sys
from genlib import data
data.PUBLISHED["MNIST"] = json.loads(sys.argv[1])
mnist = data.load("mnist")
parts = (mnist.train.x, mnist.train.y, mnist.test.x, mnist.test.y)
print(hashlib.sha256(b"".join(t.numpy().tobytes() for t in parts)).hexdigest())
"""


def is_right(mnist, small):
    """Every pixel and label is that of the files."""
    for part, split in (("train", mnist.train), ("t10k", mnist.test)):
        pixels = np.frombuffer(small[f"{part}-images-idx3-ubyte"][16:], np.uint8).reshape(-1, 1, 28, 28)
        labels = np.frombuffer(small[f"{part}-labels-idx1-ubyte"][8:], np.uint8)
        assert split.x.dtype == torch.float32 and split.y.dtype == torch.int64
        assert torch.equal(split.x, torch.tensor(pixels).float() / 255)
        assert split.y.tolist() == labels.tolist()
    return True


def lay(folder, small, packed=True, name="MNIST"):
    """The small set as GENLIB_DATA holds it."""
    raw = folder / name / "raw"
    raw.mkdir(parents=True)
    for name, content in small.items():
        if packed:
            (raw / f"{name}.gz").write_bytes(gzip.compress(content, 1))  # packed by another hand
        else:
            (raw / name).write_bytes(content)
    return raw


def one_sentence(error):
    text = str(error.value)
    assert "\n" not in text and text.endswith("."), text
    return text


def test_a_first_load_downloads_and_a_second_does_not(small_mnist, server, small, own, capfd):
    mnist = data.load("mnist")
    assert is_right(mnist, small)
    assert sorted(server.got) == sorted(f"{n}.gz" for n in NAMES)
    out, err = capfd.readouterr()
    assert out == "MNIST is not on this machine yet: downloading it to the cache\n" and err == ""
    server.close()
    assert is_right(data.load("mnist"), small) and capfd.readouterr().out == ""
    assert sorted(p.name for p in own.rglob("*") if p.is_file()) == sorted([*NAMES, "MNIST.lock"])
    assert (mnist.name, mnist.title, len(mnist.train), len(mnist.test)) == ("mnist", "MNIST", 30, 12)
    assert mnist.classes[:3] == ("0", "1", "2") and len(mnist.classes) == 10


def test_a_download_cut_in_the_middle_is_repeated(small_mnist, server, small):
    server.cuts = {f"{NAMES[0]}.gz": 1, f"{NAMES[2]}.gz": 2, f"{NAMES[3]}.gz": 2}
    assert is_right(data.load("mnist"), small)
    assert [server.got.count(f"{name}.gz") for name in NAMES] == [2, 1, 3, 3]  # whole ones are kept


@pytest.mark.parametrize("how", ["gone", "wrong"])
def test_a_second_mirror_is_asked_where_the_first_fails(small_mnist, server, small, monkeypatch, how):
    other = served({f"{name}.gz": gzip.compress(b"another set's content") for name in NAMES}, monkeypatch)
    first = {"gone": f"{other.url}gone/{{}}.gz", "wrong": f"{other.url}{{}}.gz"}[how]
    monkeypatch.setitem(small_mnist, "urls", [first, *small_mnist["urls"]])
    assert is_right(data.load("mnist"), small)
    assert sorted(server.got) == sorted(f"{n}.gz" for n in NAMES) and bool(other.got) == (how == "wrong")
    other.close()


@pytest.mark.parametrize("how", ["spoilt", "other"])
def test_a_wrong_download_is_one_sentence_and_leaves_nothing_in_use(small_mnist, server, small, own, how):
    """Bytes that do not unpack, and a sound file of another content."""
    name = f"{NAMES[2]}.gz"
    spoilt, other = server.files[name][:-20] + bytes(20), gzip.compress(small[NAMES[2]][:-1] + b"?")
    server.wrong[name] = {"spoilt": spoilt, "other": other}[how]
    with pytest.raises(DataError) as error:
        data.load("mnist")
    text = one_sentence(error)
    assert "MNIST could not be downloaded (SHA256 hash of downloaded file" in text and NAMES[2] in text
    assert data.find("MNIST") is None and not (own / "MNIST" / "raw" / NAMES[2]).exists()
    del server.wrong[name]
    assert is_right(data.load("mnist"), small)  # and the next try, with a sound server, is not spoilt


def test_no_network_is_one_sentence_with_two_ways_out(small_mnist, server):
    server.close()
    with pytest.raises(DataError) as error:
        data.load("mnist")
    text = one_sentence(error)
    assert "MNIST could not be downloaded" in text and "Connection refused" in text
    assert "GENLIB_DATA" in text and "MNIST/raw" in text and "preset='smoke'" in text
    assert data.find("MNIST") is None
    data.load("digits")  # needs no network


def test_a_network_that_swallows_everything_is_not_waited_for_for_ever(small_mnist, server, monkeypatch):
    patience, patient = [], pooch.HTTPDownloader
    monkeypatch.setattr(server.http, "finish_request", lambda *_: time.sleep(1))
    monkeypatch.setattr(pooch, "HTTPDownloader", lambda timeout: patience.append(timeout) or patient(timeout=0.2))
    with pytest.raises(DataError, match="timed out"):
        data.load("mnist")
    assert patience == [20] * 3  # seconds


def test_two_processes_at_once_both_get_the_data_and_each_file_is_sent_once(small_mnist, server, small, script):
    running = [script(LOAD, json.dumps(small_mnist), wait=False) for _ in range(2)]
    told = [process.communicate(timeout=300) for process in running]
    assert [p.returncode for p in running] == [0, 0] and [err for _, err in told] == ["", ""], told
    here = data.load("mnist")
    parts = (here.train.x, here.train.y, here.test.x, here.test.y)
    assert is_right(here, small)
    expected = hashlib.sha256(b"".join(t.numpy().tobytes() for t in parts)).hexdigest()
    assert [out.split()[-1] for out, _ in told] == [expected, expected]
    assert sorted(server.got) == sorted(f"{n}.gz" for n in NAMES)


def test_a_killed_download_does_not_spoil_the_next(small_mnist, server, small, script):
    server.slow = f"{NAMES[2]}.gz"
    process = script(LOAD, json.dumps(small_mnist), wait=False)
    for _ in range(6000):
        if server.slow in server.got:
            break
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert server.slow in server.got and data.find("MNIST") is None
    server.slow = None
    assert is_right(data.load("mnist"), small)
    assert server.got.count(f"{NAMES[0]}.gz") == 1  # what had come whole was not fetched again


@pytest.mark.parametrize("packed", [True, False])
def test_genlib_data_is_looked_into_first_and_left_as_it_is(
    small_mnist, server, small, tmp_path, monkeypatch, own, packed
):
    raw = lay(tmp_path / "given", small, packed)
    before = {p.name: p.read_bytes() for p in raw.iterdir()}
    for path in (raw, *raw.parents[:1]):
        os.chmod(path, 0o555)
    monkeypatch.setenv("GENLIB_DATA", str(tmp_path / "given"))
    assert data.find("MNIST") == raw
    assert is_right(data.load("mnist"), small) and is_right(data.load("mnist"), small)
    assert server.got == [] and before == {p.name: p.read_bytes() for p in raw.iterdir()}
    assert not (own / "MNIST").exists()  # it is read where it lies


def test_genlib_data_partly_packed_in_the_home_folder(small_mnist, server, small, tmp_path, monkeypatch):
    raw = lay(tmp_path / "home" / "sets", small, packed=False)
    (raw / f"{NAMES[1]}.gz").write_bytes(gzip.compress((raw / NAMES[1]).read_bytes()))
    (raw / NAMES[1]).unlink()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GENLIB_DATA", "~/sets")
    assert is_right(data.load("mnist"), small) and server.got == []


def test_genlib_data_that_lacks_a_file_is_passed_over(small_mnist, server, small, tmp_path, monkeypatch):
    (lay(tmp_path / "given", small) / f"{NAMES[3]}.gz").unlink()
    monkeypatch.setenv("GENLIB_DATA", str(tmp_path / "given"))
    assert is_right(data.load("mnist"), small) and len(server.got) == 4


@pytest.mark.parametrize("keep", [0, 5, 0.5, -4])
def test_a_truncated_file_in_genlib_data_is_one_sentence_with_its_path(
    small_mnist, server, small, tmp_path, monkeypatch, keep
):
    path = lay(tmp_path / "given", small) / f"{NAMES[0]}.gz"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep) if isinstance(keep, float) else keep])
    monkeypatch.setenv("GENLIB_DATA", str(tmp_path / "given"))
    with pytest.raises(DataError) as error:
        data.load("mnist")
    assert f"{NAMES[0]}" in (text := one_sentence(error)) and "damaged" in text and "unset GENLIB_DATA" in text
    monkeypatch.delenv("GENLIB_DATA")
    assert is_right(data.load("mnist"), small)


@pytest.mark.parametrize("packed", [True, False])
def test_a_file_of_wrong_content_in_genlib_data_is_one_sentence(small_mnist, small, tmp_path, monkeypatch, packed):
    other = small | {NAMES[1]: small[NAMES[1]][:-1] + b"\x03"}
    raw = lay(tmp_path / "given", other, packed)
    monkeypatch.setenv("GENLIB_DATA", str(tmp_path / "given"))
    with pytest.raises(DataError) as error:
        data.load("mnist")
    path = raw / (f"{NAMES[1]}.gz" if packed else NAMES[1])
    assert f"{path} is damaged (its content is not MNIST's)" in one_sentence(error)


def test_what_is_spoilt_or_absent_in_the_cache_is_fetched_again(small_mnist, server, small, own):
    data.load("mnist")
    raw = own / "MNIST" / "raw"
    (raw / NAMES[0]).write_bytes(b"spoilt")
    assert is_right(data.load("mnist"), small) and server.got[4:] == [f"{NAMES[0]}.gz"]
    (raw / NAMES[1]).unlink()
    assert is_right(data.load("mnist"), small) and server.got[5:] == [f"{NAMES[1]}.gz"]
    (raw / f"{NAMES[2]}.gz").write_bytes(server.files[f"{NAMES[2]}.gz"])
    (raw / NAMES[2]).unlink()
    assert is_right(data.load("mnist"), small) and len(server.got) == 6  # a packed copy will do


def test_the_real_mnist_where_this_machine_has_it(monkeypatch, root):
    for place in (os.environ.get("GENLIB_DATA"), root.parent / "shared" / "data"):
        if place and (Path(place) / "MNIST" / "raw").is_dir():
            monkeypatch.setenv("GENLIB_DATA", str(place))
    if data.find("MNIST") is not None:
        mnist = data.load("mnist")
        assert mnist.train.x.shape == (60_000, 1, 28, 28) and mnist.test.x.shape == (10_000, 1, 28, 28)
        assert mnist.train.y.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        assert mnist.test.y.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
        assert mnist.train.x.mean().item() == pytest.approx(0.1307, abs=5e-5)
        assert mnist.train.x.std().item() == pytest.approx(0.3081, abs=5e-5)
        assert mnist.train.y[:5].tolist() == [5, 0, 4, 1, 9]
    else:
        assert data.cache().is_dir()


@pytest.mark.parametrize("name, folder", [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
def test_both_sets_are_read_as_torchvision_reads_them(monkeypatch, small, tmp_path, name, folder):
    """Bit by bit, with the class names."""
    from torchvision import datasets

    monkeypatch.setitem(data.PUBLISHED, folder, {"urls": [], "sha256": sums(small)})
    monkeypatch.setenv("GENLIB_DATA", str(tmp_path))
    lay(tmp_path, small, packed=False, name=folder)
    ours = data.load(name)
    for train, split in ((True, ours.train), (False, ours.test)):
        theirs = getattr(datasets, folder)(tmp_path, train=train, download=False)
        assert torch.equal(split.x, theirs.data[:, None].float() / 255) and torch.equal(split.y, theirs.targets)
        assert ours.classes == tuple(c.split(" - ")[0] for c in theirs.classes)


def test_the_caches_place(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert data.cache() == tmp_path / "x" / "genlib" and data.cache().is_dir()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data.cache() == tmp_path / ".cache" / "genlib"


# --- dSprites ---------------------------------------------------------------------------------------------------------


class Harmful:
    """What a pickle can do to who loads it."""

    def __reduce__(self):
        return sys.exit, ("a pickle was loaded",)


@pytest.fixture
def small_dsprites(monkeypatch):
    """(images, server): genlib's idea of dSprites is 2·3·4·2·5 random images in the published file's order and form."""
    sizes, rng = (2, 3, 4, 2, 5), np.random.default_rng(0)
    images = rng.integers(0, 2, (240, 64, 64), dtype=np.uint8)
    file = io.BytesIO()
    np.savez_compressed(file, metadata=np.array(Harmful(), dtype=object), imgs=images)
    server = served({NPZ: file.getvalue()}, monkeypatch)
    monkeypatch.setattr(data, "SIZES", sizes)
    setting = {"urls": [f"{server.url}{{}}"], "sha256": sums(server.files)}
    monkeypatch.setitem(data.PUBLISHED, "dSprites", setting)
    yield images, server
    server.close()


def test_dsprites_are_looked_up_by_their_factors(small_dsprites):
    images, server = small_dsprites
    render = data.dsprites()
    every = list(itertools.product(*map(range, data.SIZES)))  # the last factor, y, varies first
    found = render(torch.tensor(every))
    assert found.shape == (240, 1, 64, 64) and found.dtype == torch.float32
    assert torch.equal(found[:, 0], torch.tensor(images).float())
    order = torch.randperm(240)[:7]
    assert torch.equal(render(torch.tensor(every)[order].int()), found[order])
    for too_far in range(5):
        v = torch.zeros(1, 5, dtype=torch.long)
        v[0, too_far] = data.SIZES[too_far]
        with pytest.raises(IndexError):
            render(v)  # and not the image of other factors
    data.dsprites()
    assert server.got == [NPZ]  # the second time from the cache


def test_dsprites_and_sprites_have_one_contract():
    """The published factors' sizes, and the file that has one image for each of their combinations."""
    assert data.SIZES == (3, 6, 40, 32, 32) and math.prod(data.SIZES) == 737_280
    assert list(data.PUBLISHED["dSprites"]["sha256"]) == [NPZ]
    v = torch.tensor([[0, 0, 0, 0, 0], [2, 5, 39, 31, 31]])
    assert data.sprites(v).shape == (2, 1, 64, 64) and data.sprites(v).dtype == torch.float32


def test_dsprites_cut_in_the_middle_are_fetched_again(small_dsprites):
    images, server = small_dsprites
    server.cuts = {NPZ: 2}
    assert torch.equal(data.dsprites()(torch.zeros(1, 5))[0, 0], torch.tensor(images[0]).float())
    assert server.got == [NPZ] * 3


def test_dsprites_of_another_content_or_without_a_network_are_one_sentence(small_dsprites, own):
    _, server = small_dsprites
    server.wrong[NPZ] = server.files[NPZ][:-1]
    with pytest.raises(DataError) as error:
        data.dsprites()
    assert "dSprites could not be downloaded (SHA256 hash of downloaded file" in one_sentence(error)
    assert not list(own.rglob("*.npz"))
    server.close()
    with pytest.raises(DataError) as error:
        data.dsprites()
    text = one_sentence(error)
    assert "dSprites could not be downloaded" in text and "Connection refused" in text
    assert "dSprites/raw" in text and "preset='smoke'" in text


def test_a_spoilt_copy_of_dsprites(small_dsprites, tmp_path, monkeypatch):
    images, server = small_dsprites
    raw = tmp_path / "given" / "dSprites" / "raw"
    raw.mkdir(parents=True)
    (raw / NPZ).write_bytes(server.files[NPZ][:1000])
    monkeypatch.setenv("GENLIB_DATA", str(tmp_path / "given"))
    with pytest.raises(DataError, match="damaged"):
        data.dsprites()
    (raw / NPZ).write_bytes(server.files[NPZ])
    assert data.dsprites()(torch.zeros(1, 5)).sum() == images[0].sum() and server.got == []


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong, near", [("minst", "mnist"), ("fashion_mnist", "fashion-mnist"), ("moon", "moons")])
def test_an_unknown_data_set_is_one_sentence_with_the_nearest(wrong, near):
    with pytest.raises(DataError) as error:
        data.load(wrong)
    assert f"no data set {wrong!r} (did you mean {near!r}?)" in one_sentence(error) and "digits" in str(error.value)


# --- digits -----------------------------------------------------------------------------------------------------------


def test_digits_are_scikit_learns_in_mnists_frame():
    from sklearn.datasets import load_digits

    digits = data.load("digits")
    assert digits.train.x.shape == (1500, 1, 28, 28) and digits.test.x.shape == (297, 1, 28, 28)
    x, y = torch.cat([digits.train.x, digits.test.x]), torch.cat([digits.train.y, digits.test.y])
    assert x.min() == 0 and 0.99 < x.max() <= 1
    assert x[:, :, :4].sum() + x[:, :, -4:].sum() + x[..., :4].sum() + x[..., -4:].sum() == 0  # the margin
    raw = load_digits()
    assert y.bincount().tolist() == np.bincount(raw.target).tolist()
    # Every image is one of scikit-learn's, with its label: the means of 4×4 blocks tell which, up to near twins.
    blocks = lambda a: a.reshape(len(a), 4, a.shape[1] // 4, 4, a.shape[1] // 4).mean((2, 4)).reshape(len(a), 16)
    ours, theirs = blocks(x[:, 0, 4:24, 4:24].numpy()), blocks(raw.images / 16)
    apart = torch.cdist(torch.tensor(ours).double(), torch.tensor(theirs))
    found = apart.argmin(1).numpy()
    assert (raw.target[found] == y.numpy()).mean() > 0.999 and len(set(found)) > 1700
    assert digits.classes == tuple("0123456789") and digits.name == "digits"


def test_the_split_of_digits_is_disjoint_and_always_the_same():
    digits = data.load("digits")
    torch.manual_seed(99)
    again = data.load("digits")
    assert torch.equal(digits.train.x, again.train.x) and torch.equal(digits.test.y, again.test.y)
    rows = {row.numpy().tobytes() for row in digits.train.x}
    assert not any(row.numpy().tobytes() in rows for row in digits.test.x)
    assert digits.test.y.bincount(minlength=10).min() >= 15  # all classes are tested


# --- toys -------------------------------------------------------------------------------------------------------------


def moments(name):
    """(mean (2,), second moments E[x xᵀ] (2, 2)) in closed form."""
    if name == "ring":  # radius 2, noise 0.1; eight-fold symmetry
        return [0, 0], [[2.01, 0], [0, 2.01]]
    # moons: a half circle about (½, ¼) and its point reflection; noise 0.08
    xx, yy = 0.5 + 0.25 + 0.0064, 0.5 - 0.5 * 2 / math.pi + 0.0625 + 0.0064
    return [0, 0], [[xx, 0.125 - 1 / math.pi], [0.125 - 1 / math.pi, yy]]


@pytest.mark.parametrize("name", ["moons", "ring"])
def test_moments_of_the_toys(name):
    x, y = data.toy(name, 40_000, torch.Generator().manual_seed(3))
    assert x.shape == (40_000, 2) and x.dtype == torch.float32 and y.dtype == torch.int64
    mean, second = (torch.tensor(np.array(m), dtype=torch.float64) for m in moments(name))
    x = x.double()
    outer = x[:, :, None] * x[:, None, :]
    for samples, exact in ((x, mean), (outer, second)):
        error = samples.std(0) / len(x) ** 0.5
        assert ((samples.mean(0) - exact).abs() < 4.5 * error).all(), name
    toy = data.load(name)
    assert len(toy.train) == 20_000 and len(toy.test) == 5_000
    assert torch.equal(toy.train.x, data.load(name).train.x)
    assert not torch.equal(toy.train.x[:5_000], toy.test.x)


def test_parts_of_the_ring():
    x, y = data.toy("ring", 40_000, torch.Generator().manual_seed(0))
    share = y.bincount(minlength=8) / 40_000
    assert ((share - 1 / 8).abs() < 4.5 * (1 / 8 * 7 / 8 / 40_000) ** 0.5).all()
    for k in range(8):
        part = x[y == k]
        centre = torch.tensor([2 * math.cos(k * math.pi / 4), 2 * math.sin(k * math.pi / 4)])
        assert ((part.mean(0) - centre).abs() < 4.5 * 0.1 / len(part) ** 0.5).all()
        assert ((part.std(0) - 0.1).abs() < 4.5 * 0.1 / (2 * len(part)) ** 0.5).all()


# --- curves and binary pixels -----------------------------------------------------------------------------------------


def test_curves_are_repeatable_images_whose_ink_grows_with_their_length():
    first, again, other = data.curves(300, 5), data.curves(300, 5), data.curves(300, 6)
    assert first.shape == (300, 1, 28, 28) and first.dtype == torch.float32
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.min() >= 0 and first.max() <= 1 and first.max() > 0.7
    points = torch.rand(300, 3, 2, generator=torch.Generator().manual_seed(5)) * 20 + 3.5
    t = torch.linspace(0, 1, 1001)[:, None]
    at = (1 - t) ** 2 * points[:, :1] + 2 * t * (1 - t) * points[:, 1:2] + t**2 * points[:, 2:]
    length = (at[:, 1:] - at[:, :-1]).norm(dim=2).sum(1)
    ink = first.sum((1, 2, 3))
    assert torch.corrcoef(torch.stack([length, ink]))[0, 1] > 0.95
    order = length.argsort()
    assert ink[order[:50]].mean() < ink[order[125:175]].mean() < ink[order[-50:]].mean()


def test_a_curve_lies_where_its_points_are():
    """The ink's centre follows the curve's, x to the right and y down; few curves are drawn as many are."""
    images = data.curves(2100, 1)
    points = torch.rand(2100, 3, 2, generator=torch.Generator().manual_seed(1)) * 20 + 3.5
    for i in (0, 7, 1999, 2000, 2099):
        t = torch.linspace(0, 1, 2000)[:, None]
        p = points[i]
        at = (1 - t) ** 2 * p[0] + 2 * t * (1 - t) * p[1] + t**2 * p[2]
        speed = (at[1:] - at[:-1]).norm(dim=1, keepdim=True)
        centre = (at[1:] * speed).sum(0) / speed.sum()
        image = images[i, 0]
        axis = torch.arange(28.0)
        x, y = (image.sum(0) * axis).sum() / image.sum(), (image.sum(1) * axis).sum() / image.sum()
        assert (torch.stack([x, y]) - centre).abs().max() < 0.6


def test_binarise_is_bernoulli_in_the_grey_level_and_repeatable():
    grey = torch.linspace(0, 1, 11).repeat(4000, 1)
    binary = data.binarise(grey, seed=1)
    assert set(binary.unique().tolist()) == {0.0, 1.0} and torch.equal(binary, data.binarise(grey, seed=1))
    assert not torch.equal(binary, data.binarise(grey, seed=2))
    error = (grey[0] * (1 - grey[0]) / 4000).sqrt()
    assert ((binary.mean(0) - grey[0]).abs() <= 4 * error).all()
    state = torch.get_rng_state()
    data.binarise(grey)
    assert torch.equal(state, torch.get_rng_state())


def test_sprites_have_the_place_size_and_symmetry_of_their_factors():
    rng = np.random.default_rng(0)
    v = torch.tensor(np.stack([rng.integers(n, size=200) for n in (3, 6, 40, 32, 32)], 1))
    drawn = data.sprites(v)
    assert drawn.shape == (200, 1, 64, 64) and set(drawn.unique().tolist()) == {0.0, 1.0}
    round_ones = v[:, 0] < 2  # squares and ellipses have their centre in the middle
    ink, axis = drawn[:, 0], torch.arange(64) + 0.5
    area = ink.sum((1, 2))
    for column, dim in ((3, 1), (4, 2)):  # x to the right, y down
        centre = (ink.sum(dim) * axis).sum(1) / area
        assert (centre - (16 + 32 * v[:, column] / 31))[round_ones].abs().max() <= 0.5  # of a pixel
    radius = 11 * (0.5 + 0.1 * v[:, 1])
    exact = torch.where(v[:, 0] == 0, (1.6 * radius) ** 2, math.pi * 0.6 * radius**2)
    assert (area / exact - 1)[round_ones].abs().max() < 0.25
    turned = v.clone()
    turned[:, 2] = (v[:, 2] + 20) % 40  # half a turn
    same = (data.sprites(turned) == drawn).flatten(1).float().mean(1)
    assert same[round_ones].min() > 0.995 and same[~round_ones].max() < 0.995
    turned[:, 2] = (v[:, 2] + 10) % 40  # a quarter
    same = (data.sprites(turned) == drawn).flatten(1).float().mean(1)
    assert same[v[:, 0] == 0].min() > 0.995 and same[v[:, 0] == 1].max() < 0.995
    border = torch.cat([ink[:, 0], ink[:, -1], ink[:, :, 0], ink[:, :, -1]], 1)
    assert border.sum() == 0  # nothing is cut off
    small = data.sprites(v, side=32)
    assert (small[:, 0].sum((1, 2)) * 4 / area - 1).abs().max() < 0.35


# --- batches ----------------------------------------------------------------------------------------------------------


def test_batches_and_peek():
    x = torch.arange(10.0)
    make = lambda: Batches(Split(x, x.long() + 100), 3, torch.Generator().manual_seed(0))
    batches, twin = make(), make()
    drawn = []
    for _ in range(7):
        shape = [t.shape for t in batches.next(peek=True)]
        values, labels = batches.next()
        assert shape == [values.shape, labels.shape] == [(3,), (3,)]
        assert torch.equal(values.long() + 100, labels)
        assert torch.equal(values, twin.next()[0])  # peeking leaves the order where it is
        drawn.append(values)
    for epoch in (drawn[:3], drawn[3:6]):
        assert len(torch.cat(epoch).unique()) == 9


def test_split_and_as_numpy():
    split = Split(torch.arange(6.0).view(3, 2), torch.arange(3))
    assert len(split) == 3 and torch.equal(split.take(2).x, split.x[:2]) and split.take(2).y.tolist() == [0, 1]
    assert Split(split.x).take(1).y is None and len(Split(split.x).tensors) == 1 and len(split.tensors) == 2
    assert data.as_numpy(torch.ones(2, requires_grad=True)).tolist() == [1, 1]
    assert data.as_numpy(np.zeros(2)).tolist() == [0, 0] and data.as_numpy([1, 2]).tolist() == [1, 2]
