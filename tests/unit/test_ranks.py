"""Many processes that train one model."""

import json

import pytest

import genlib
import genlib.run

pytestmark = pytest.mark.usefixtures("own")

SAME = dict(smoke={"a": 1}, cpu={"a": 2}, gpu={"a": 3})


def one_sentence(error):
    """The text of an error: one line that ends like a sentence."""
    text = str(error.value)
    assert "\n" not in text and text.endswith("."), text
    return text


# --- many processes ---------------------------------------------------------------------------------------------------

# A model, and a pair of adversaries with two optimisers, without noise: what is fed comes with its row's number.
TOGETHER = """
import json, os, sys
import torch
from torch import nn
import genlib

batch, checkpoint = int(sys.argv[1]), sys.argv[2]
run = genlib.start("smoke", 1, smoke={}, cpu={}, gpu={})
rank = run.ranks.rank if run.ranks else 0
if "WRONG" in os.environ:  # gradients are not averaged
    from types import SimpleNamespace
    torch.optim.Optimizer.register_step_pre_hook = lambda *_: SimpleNamespace(remove=lambda: None)
x = genlib.data.load("ring").train.x[:1000]
z = torch.randn(1000, 4, generator=torch.Generator().manual_seed(0))
net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 2))
G = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
D = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
net.register_buffer("last", torch.zeros(()))
opt = torch.optim.SGD(net.parameters(), 0.05)
opt_G, opt_D = torch.optim.Adam(G.parameters(), 1e-3, betas=(0.5, 0.9)), torch.optim.Adam(D.parameters(), 1e-3)
seen = []

def one(x, z, row):
    seen.append(row.tolist())
    net.last.fill_(row[0])
    loss = (net(x) - x.flip(1)).square().sum(1).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    return {"loss": loss.detach()}

def two(x, z, row):
    fake = G(z)
    loss_D = ((D(x) - 1) ** 2).mean() + (D(fake.detach()) ** 2).mean()
    opt_D.zero_grad(); loss_D.backward(); opt_D.step()
    loss_G = ((D(fake) - 1) ** 2).mean()
    opt_G.zero_grad(); loss_G.backward(); opt_G.step()
    return {"D": loss_D.detach(), "G": loss_G.detach()}

rows, state = (x, z, torch.arange(1000.0)), (G, D, opt_G, opt_D)
histories = [run.fit(one, rows, steps=60, batch=batch, state=(net, opt), schedule=genlib.cosine)]
histories += [run.fit(two, rows, steps=60, batch=batch, state=state, checkpoint=checkpoint, label="gan")]
weights = torch.cat([p.detach().flatten() for m in (net, G, D) for p in m.parameters()])
told = {"rows": seen, "weights": weights.tolist(), "last": net.last.item(), "hooks": len(opt._optimizer_step_pre_hooks)}
again = run.fit(two, rows, steps=60, batch=batch, state=state, checkpoint=checkpoint, label="gan")  # resumed at its end
told["resumed"] = torch.equal(again["G"], histories[1]["G"])
sizes = []
def noise(x):
    sizes.append(len(x))
    return {"noise": x[0, 0], "square": x[0, 0] ** 2}
histories += [run.fit(noise, lambda n: torch.rand(n, 1), steps=30, batch=3)]
told |= {"after": torch.rand(3).tolist(), "sizes": set(sizes) == {3}}
run.minutes, run.started = 1, run.started - (100 if rank else 0)  # the time is up by one clock: all stop
told["stopped"] = len(run.fit(noise, lambda n: torch.rand(n, 1), steps=300, batch=3)["noise"])
told |= {name: values.tolist() for h in histories for name, values in h.items()}
json.dump(told, open(f"{checkpoint}.{rank}", "w"))
"""


def test_two_processes_train_as_one_with_the_doubled_batch(script, tmp_path):
    """Under accelerate launch, on two CPU processes. Stated tolerance: 1e-5 of each loss, in float32."""

    def train(name, batch, *launch, **environment):
        path = tmp_path / name
        told = script(TOGETHER, batch, path, launch=launch, WORLD_SIZE="", **environment)
        assert told.returncode == 0, told.stderr
        return told.stdout, [json.loads(p.read_text()) for p in sorted(tmp_path.glob(f"{name}.[01]"))]

    launch = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1")
    launch += ("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0")
    _, (one,) = train("one", 64)
    out, (first, second) = train("two", 32, *launch)
    away = lambda a, b, name: max(abs(p - q) / abs(p) for p, q in zip(a[name], b[name], strict=True))
    for name in ("loss", "D", "G"):
        assert len(one[name]) == 60 and away(one, first, name) <= 1e-5, name
        assert first[name] == second[name]  # the terms are the means over both
    for whole, *shares in zip(one["rows"], first["rows"], second["rows"], strict=True):
        assert len(shares[0]) == 32 and shares[0] + shares[1] == whole
    assert first["weights"] == second["weights"] and first["last"] == second["last"] == first["rows"][-1][0]
    assert first["hooks"] == 0 and first["resumed"] and second["resumed"] and first["sizes"]
    assert max(m - n * n for n, m in zip(first["noise"], first["square"], strict=True)) > 0.01  # their noise differs
    assert first["after"] == second["after"] and first["stopped"] == second["stopped"] == 25
    assert "× 2 processes" in out and out.count("gan · 60 steps") == 1 and out.count("\n") == 6

    _, (wrong, _) = train("wrong", 32, *launch, WRONG="1")
    assert all(away(one, wrong, name) > 1e-3 for name in ("loss", "D", "G"))


def test_a_launch_that_starts_one_process_only_is_refused(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(ValueError) as error:
        genlib.start("smoke", 0, **SAME)
    assert "starts one process only: use --multi_gpu" in one_sentence(error)
