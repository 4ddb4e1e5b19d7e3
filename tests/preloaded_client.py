"""What stands for a fork of `preloaded.py`: it hands the fork its files and signals, and ends as the fork ends.

python -IS preloaded_client.py ADDRESS -c … | -m … | FILE …
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn


def ask(address: str, arguments: list[str]) -> NoReturn:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: connection.send(bytes([number])))
    request = {"arguments": arguments, "folder": str(Path.cwd()), "variables": dict(os.environ)}
    content = json.dumps(request).encode()
    socket.send_fds(connection, [len(content).to_bytes(4)], [0, 1, 2])
    connection.sendall(content)
    status = os.waitstatus_to_exitcode(int.from_bytes(connection.recv(4, socket.MSG_WAITALL)))
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    ask(sys.argv[1], sys.argv[2:])
