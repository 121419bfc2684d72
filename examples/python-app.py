"""A web server on the socket that its parent has opened (sd_listen_fds(3), sd_notify(3)).

Run by python-app.toml beside this file. Nothing but Python's own library is needed.
"""

import os
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FIRST_PASSED = 3


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Seconds that an idle connection may stay, also while this process is stopping.
    timeout = 5

    def do_GET(self):
        body = f"hello from process {os.getpid()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if self.server.is_stopping:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Inherited(ThreadingHTTPServer):
    daemon_threads = False
    is_stopping = False

    def __init__(self):
        if os.environ.get("LISTEN_PID") != str(os.getpid()):
            raise SystemExit("no socket was passed: start this with python-app.toml")
        super().__init__(("", 0), Hello, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.socket(fileno=FIRST_PASSED)
        # Another instance may have taken the connection that woke this one.
        self.socket.setblocking(False)

    def get_request(self):
        connection, address = self.socket.accept()
        connection.setblocking(True)
        return connection, address


def notify(text):
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(text.encode(), path.replace("@", "\0", 1))


def main():
    server = Inherited()

    def stop(*_):
        server.is_stopping = True
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    notify("READY=1")
    server.serve_forever(poll_interval=0.1)


main()
