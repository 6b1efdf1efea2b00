#!/usr/bin/env python3
"""The tutorials' greeting server and client, ours against Python's on the kernel's TCP, both ways round.

    greeting.py FOLDER_OF_THE_EXAMPLES

Ends with 0 if every line is as it must be, 77 if no private network can be made here.
"""
import subprocess
import sys

CLIENT = r"""
import socket
s = socket.create_connection(("10.77.0.2", 5000))
print(s.recv(1024).decode())
for name in ("Ada", "Grace"):
    s.sendall(name.encode())
    print(s.recv(1024).decode())
s.sendall(b"exit")
print(repr(s.recv(1024)))
print(s.getsockname()[1])
s.close()
"""

SERVER = r"""
import socket
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("10.77.0.100", 5000))
listener.listen(5)
s, peer = listener.accept()
s.sendall(b"Welcome!")
while True:
    data = s.recv(1024).decode()
    if data == "exit" or not data:
        break
    s.sendall(("Hello, %s!" % data).encode())
s.close()
"""


def run(program, script, given=""):
    command = [program, "--", sys.executable, "-u", "-c", script]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        print(f"{program} ended with {done.returncode}: {done.stderr}", file=sys.stderr)
        sys.exit(77 if "namespace" in done.stderr else 1)
    return done.stdout.splitlines()


def expect(what, got, wanted):
    if sorted(got) != sorted(wanted):  # two programs share the output
        print(f"{what}: got {got}, wanted {wanted}", file=sys.stderr)
        sys.exit(1)


def main():
    folder = sys.argv[1]
    lines = run(f"{folder}/greeting_server", CLIENT)
    port = next((line for line in lines if line.isdigit()), "none")
    expect("our server", lines, [
        "Waiting for connection...", "Welcome!",
        "Accept Ada, send back: Hello, Ada", "Hello, Ada!",
        "Accept Grace, send back: Hello, Grace", "Hello, Grace!",
        "b''", port, f"Connection from 10.77.0.100:{port} closed.",
    ])
    lines = run(f"{folder}/greeting_client", SERVER, "Ada\nGrace\nexit\n")
    expect("our client", lines, ["Welcome!", "Hello, Ada!", "Hello, Grace!"])


main()
