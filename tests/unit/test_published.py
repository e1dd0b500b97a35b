"""Published sets: downloads from a server on this machine, whole, cut, wrong and interrupted; dSprites."""

import errno
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

import numpy as np
import pooch
import pytest
import torch

from genlib import data, metrics
from genlib.course import doctor
from genlib.data import DataError

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
    """A server of these files, which is asked again at once."""
    monkeypatch.setattr(data.published, "PAUSE", 0.0)
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
    assert "MNIST could not be downloaded (what http:" in text and f"is not {NAMES[2]}, by its SHA-256" in text
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


# --- a home, a cache or a disk that cannot be written -----------------------------------------------------------------


def no_home(monkeypatch, tmp_path):
    """No HOME, and a user that nobody knows."""
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])


def home_in_a_file(monkeypatch, tmp_path):
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "me"))


def cache_of_the_kernel(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/1/nothing")


def read_only(monkeypatch, tmp_path, number=errno.EROFS):
    """Nothing new can be written, though the folder is there; root is not stopped by a mode."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data.cache()

    def refuse(self, *_):
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    monkeypatch.setattr(data.published, "FileLock", refuse)


def full(monkeypatch, tmp_path):
    read_only(monkeypatch, tmp_path, errno.ENOSPC)


def no_locks(monkeypatch, tmp_path):
    """A file system of a cluster that has no locks."""

    def refuse(path):
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(data.published, "FileLock", refuse)


TROUBLES = (no_home, home_in_a_file, cache_of_the_kernel, read_only, full, no_locks)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_cache_that_cannot_be_written_costs_the_cache_alone(
    small_mnist, server, small, tmp_path, monkeypatch, trouble
):
    monkeypatch.chdir(tmp_path)
    lay(tmp_path / "given", small)
    trouble(monkeypatch, tmp_path / "place")
    assert is_right(data.load("mnist"), small) and len(server.got) == 4  # it comes from the network
    monkeypatch.setenv("GENLIB_DATA", str(tmp_path / "given"))
    assert is_right(data.load("mnist"), small) and len(server.got) == 4
    made = metrics.Features(data.load("digits"))
    assert made.accuracy > 0.9
    assert not (tmp_path / "~").exists() and not list(tmp_path.glob("place/**/*.tmp"))


@pytest.mark.parametrize("trouble", [read_only, full])
def test_a_cache_that_can_be_read_alone_is_read(small_mnist, server, small, tmp_path, monkeypatch, trouble):
    lay(tmp_path / "genlib", small)
    trouble(monkeypatch, tmp_path)
    assert is_right(data.load("mnist"), small) and server.got == []


@pytest.mark.parametrize("trouble", TROUBLES[:-1])
def test_the_doctor_says_that_nothing_is_kept(tmp_path, monkeypatch, trouble):
    state = {what: (state, advice) for what, state, advice in doctor.examine()}
    assert state["cache"][0] == "ok" and state["cache"][1] == str(data.cache()) and not list(data.cache().iterdir())
    (tmp_path / "place").mkdir()
    trouble(monkeypatch, tmp_path / "place")
    state, advice = {what: (state, advice) for what, state, advice in doctor.examine()}["cache"]
    assert state == "absent" and "XDG_CACHE_HOME" in advice


@pytest.mark.parametrize("deeper", ["MNIST", "MNIST/raw"])
def test_genlib_data_one_level_too_deep_is_told(small_mnist, server, small, tmp_path, monkeypatch, capsys, deeper):
    lay(tmp_path, small)
    monkeypatch.setenv("GENLIB_DATA", str(tmp_path / deeper))
    server.close()
    with pytest.raises(DataError) as error:
        data.load("mnist")
    assert f"it is set to {tmp_path / deeper}, which has no such folder" in one_sentence(error)
    assert capsys.readouterr().out.startswith("MNIST is not in GENLIB_DATA, nor on this machine")
    told = {what: (state, advice) for what, state, advice in doctor.examine()}
    assert told["GENLIB_DATA"][0] == "absent" and "MNIST/raw" in told["GENLIB_DATA"][1]


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
    monkeypatch.setattr(data.published, "SIZES", sizes)
    setting = {"urls": [f"{server.url}{{}}"], "sha256": sums(server.files)}
    monkeypatch.setitem(data.PUBLISHED, "dSprites", setting)
    yield images, server
    server.close()


def test_dsprites_are_looked_up_by_their_factors(small_dsprites):
    images, server = small_dsprites
    render = data.dsprites()
    every = list(itertools.product(*map(range, data.published.SIZES)))  # the last factor, y, varies first
    found = render(torch.tensor(every))
    assert found.shape == (240, 1, 64, 64) and found.dtype == torch.float32
    assert torch.equal(found[:, 0], torch.tensor(images).float())
    order = torch.randperm(240)[:7]
    assert torch.equal(render(torch.tensor(every)[order].int()), found[order])
    for too_far in range(5):
        v = torch.zeros(1, 5, dtype=torch.long)
        v[0, too_far] = data.published.SIZES[too_far]
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
    assert "dSprites could not be downloaded (what http:" in one_sentence(error)
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
