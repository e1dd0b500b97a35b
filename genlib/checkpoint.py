"""A fit saved and resumed: tensors in safetensors, the rest as JSON in its header. Nothing is pickled."""

import json
import random
import time

import numpy as np
import torch

from .data.published import keep

SAVE_EVERY = 60.0  # seconds between two writings of a checkpoint


def fingerprint(loop):
    """What must be the same for a checkpoint to be this fit's."""
    shapes = [list(p.shape) for m in loop.modules for p in m.parameters()]
    kinds = [type(opt).__name__ for opt in loop.optimisers]
    rates = [f"{rate:.6g}" for rates in loop.rates for rate in rates]
    run = [loop.label, loop.steps, loop.batch, loop.run.seed, loop.run.device.type]
    return json.dumps([*run, shapes, kinds, rates, *([sorted(loop.at)] if loop.at else [])])


def pack(seen):
    """What was seen at some steps as (tensors, plain): a tensor, a plain value, or a dict of both, per step."""
    tensors, plain = {}, {}
    for step, found in seen.items():
        for key, value in (found if isinstance(found, dict) else {None: found}).items():
            if torch.is_tensor(value):
                tensors[f"at.{len(plain)}"] = value
            plain[f"at.{len(plain)}"] = [step, key, None if torch.is_tensor(value) else value]
    try:
        json.dumps(plain)
    except TypeError as error:
        raise TypeError(
            "With a checkpoint, a function of at={step: function} returns a tensor, numbers, text, or a dict of them "
            f"({error})."
        ) from error
    return tensors, plain


def save(loop, path):
    """Write what the loop and its run hold: parameters, buffers, optimisers, history, order and random numbers."""
    from safetensors.torch import save as to_bytes

    tensors = {"rng.torch": torch.get_rng_state(), "rng.batches": loop.run.generator.get_state()}
    if loop.cuda:
        tensors["rng.cuda"] = torch.cuda.get_rng_state()
    if loop.rows:
        tensors["history"] = torch.cat(loop.rows)
    if loop.batches.order is not None:
        tensors["order"] = loop.batches.order
    seen, plain = pack(loop.seen)
    tensors |= seen
    other = {"done": loop.done, "names": loop.names, "at": loop.batches.at, "groups": [], "plain": [], "seen": plain}
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    other |= {"rng.python": random.getstate(), "rng.numpy": [kind, keys.tolist(), *rest]}
    for m, module in enumerate(loop.modules):
        tensors |= {f"module.{m}.{k}": v for k, v in module.state_dict().items()}
    for o, opt in enumerate(loop.optimisers):
        told = opt.state_dict()
        groups = [{k: float(v) if torch.is_tensor(v) else v for k, v in g.items()} for g in told["param_groups"]]
        other["groups"].append(groups)
        for i, values in told["state"].items():
            for k, v in values.items():
                if torch.is_tensor(v):
                    tensors[f"opt.{o}.{i}.{k}"] = v
                else:
                    other["plain"].append([o, i, k, v])
    tensors = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
    held = to_bytes(tensors, metadata={"fingerprint": fingerprint(loop), "other": json.dumps(other)})
    loop.unsaved = not keep(path, held)  # a disk that is full meanwhile costs the checkpoint, and not the training
    loop.saved = time.perf_counter()


def resume(loop, path):
    """Give the loop what the file holds, if it is there; the loop is saved to it from now on."""
    loop.path = None if loop.ranks and loop.ranks.rank else path
    if loop.path and (path.is_dir() or not keep(path.with_name(f".{path.name}.probe"), b"?")):
        raise RuntimeError(f"The checkpoint {path} cannot be written: name a file, in a folder of your own.")
    path.with_name(f".{path.name}.probe").unlink(missing_ok=True)
    if loop.ranks:
        torch.distributed.barrier()  # the first one may still be writing it
    if not path.exists():
        return
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            meta = file.metadata()
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118  (safe_open is no dict)
    except SafetensorError as error:
        raise RuntimeError(f"The checkpoint {path} is damaged ({error}): delete it to begin again.") from error
    if (meta or {}).get("fingerprint") != fingerprint(loop):
        raise RuntimeError(
            f"The checkpoint {path} is from another run (label, steps, batch, seed, device, model, optimiser, "
            "learning rate or at differ): delete it or name another file."
        )
    other = json.loads(meta["other"])
    for m, module in enumerate(loop.modules):
        head = f"module.{m}."
        module.load_state_dict({k[len(head) :]: v for k, v in tensors.items() if k.startswith(head)})
    for o, opt in enumerate(loop.optimisers):
        keyed, held = [(*key.split(".", 3)[1:], v) for key, v in tensors.items() if key.startswith("opt.")], {}
        for oo, i, k, v in keyed + other["plain"]:
            if int(oo) == o:
                held.setdefault(int(i), {})[k] = v
        opt.load_state_dict({"state": held, "param_groups": other["groups"][o]})
        if loop.cuda and loop.schedule is not None:
            for group in opt.param_groups:
                group["lr"] = torch.tensor(float(group["lr"]), device=loop.run.device)
    loop.done, loop.names, loop.batches.at = other["done"], other["names"], other["at"]
    for name, (step, key, value) in other.get("seen", {}).items():  # the inverse of pack
        value = tensors.get(name, value)
        loop.seen[step] = value if key is None else loop.seen.get(step, {}) | {key: value}
    if "history" in tensors:
        loop.rows = [tensors["history"]]
    if "order" in tensors:
        loop.batches.order = tensors["order"].to(loop.run.device)
    loop.run.generator.set_state(tensors["rng.batches"])
    torch.set_rng_state(tensors["rng.torch"])
    version, keys, gauss = other["rng.python"]
    random.setstate((version, tuple(keys), gauss))
    np.random.set_state(tuple(other["rng.numpy"]))  # noqa: NPY002
    if loop.cuda:
        torch.cuda.set_rng_state(tensors["rng.cuda"])
