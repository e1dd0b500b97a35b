"""With this folder on PYTHONPATH a Python process has no network: sockets reach nothing but the machine itself.

The kernel's own channels are loopback and stay open. Programs that are not Python are told of a proxy that is not there
(see ``offline_environment`` in tests/chapters/conftest.py).
"""

import ipaddress
import socket


class NetworkRefused(OSError):
    """The network was asked for where none is allowed."""


def _refuse_if_remote(address):
    if not isinstance(address, tuple):  # a Unix socket's path
        return
    host = address[0]
    if host in ("", "localhost", None):
        return
    try:
        if ipaddress.ip_address(host).is_loopback:
            return
    except ValueError:
        pass
    raise NetworkRefused(f"no network in this test: {host} was asked for")


def _guarded(name, position):
    original = getattr(socket.socket, name)

    def method(self, *arguments):
        _refuse_if_remote(arguments[position])
        return original(self, *arguments)

    method.__name__ = name
    return method


for _name, _position in (("connect", 0), ("connect_ex", 0), ("sendto", -1)):
    setattr(socket.socket, _name, _guarded(_name, _position))

_getaddrinfo = socket.getaddrinfo


def getaddrinfo(host, *arguments, **options):
    _refuse_if_remote((host.decode() if isinstance(host, bytes) else host,))
    return _getaddrinfo(host, *arguments, **options)


socket.getaddrinfo = getaddrinfo
