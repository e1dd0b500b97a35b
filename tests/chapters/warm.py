"""Python that starts warm: forks of one process that has imported what every chapter does.

Of a chapter's smoke run a third would be the imports of its two processes, papermill and the kernel. The server imports
the libraries once, nothing of genlib's among them, and forks for every command that a client hands it.

    python warm.py serve SOCKET                      until its standard input ends
    python warm.py run SOCKET MODULE ARGUMENTS...    python -m MODULE ARGUMENTS... in the client's folder, environment,
                                                     and streams; it ends when the client does
"""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback

LIBRARIES = ("papermill.cli", "ipykernel.kernelapp", "matplotlib.pyplot")
LIBRARIES += ("torch", "torch.distributions", "torch._dynamo")  # the last: by torch, for its first optimiser
LIBRARIES += ("scipy.stats", "scipy.optimize", "sklearn.ensemble", "sklearn.linear_model", "sklearn.cluster")
ENOUGH = 1 << 18  # bytes of a command, its environment in it


def serve(address):
    """Fork for every command that comes in. Returns the command in its fork, and None when standard input ends."""
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # as a kernel does before its first import
    for name in LIBRARIES:
        __import__(name)
    gc.freeze()  # what is there stays: a fork's collector need not look through it, and so copy it
    before = resident()
    door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    door.bind(address)
    door.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the guards
    print("warm", flush=True)
    while sys.stdin not in select.select([door, sys.stdin], [], [])[0]:
        client, _ = door.accept()
        if os.fork():
            client.close()
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        door.close()
        words, streams, *_ = socket.recv_fds(client, ENOUGH, 3)
        if not (process := os.fork()):
            client.close()
            command = json.loads(words)
            command["environment"]["WARM_MB"] = str(before - resident())
            return command, streams
        guard(client, process)
    return None


def resident():
    """This process's memory in MB. A fork is charged for a page of a library's file only when it touches that again:
    WARM_MB says how much it was let off, and so how much more a cold process would have needed at most."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) // 1024


def guard(client, process):
    """Tell the client how the process ended; end it when the client is no more."""
    end = os.pidfd_open(process)
    if client in select.select([client, end], [], [])[0]:
        os.kill(process, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    try:
        client.send(str(status).encode())
    finally:
        os._exit(0)


def become(command, streams):
    """What python -m would be, in a session of its own."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environment"])
    sys.argv = command["words"]
    sys.path[0] = command["folder"]
    status = 0
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    # As Python ends, but for taking the libraries to pieces: every page of them would be copied for it, for seconds.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(status)


def run(address, words):
    """Have a command run by the server, and return its exit status."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.connect(address)
    command = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}
    socket.send_fds(server, [json.dumps(command).encode()], [0, 1, 2])
    parent = os.getppid()
    while not select.select([server], [], [], 1)[0]:
        if os.getppid() != parent:  # whoever asked for it was killed
            return 1
    return int(server.recv(16) or 1)


if __name__ == "__main__":
    what, where, *rest = sys.argv[1:]
    if what == "run":
        sys.exit(run(where, rest))
    if task := serve(where):
        become(*task)
