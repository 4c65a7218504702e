"""text_nonce.py under TLS."""
import os
import socketserver
import ssl
import subprocess

import own_server
import text_nonce
from client import Client

KIND = "crypto"
RULE = "shell_started"
NEEDS = ["/usr/bin/openssl"]
ALWAYS = False


def services(bait):
    os.makedirs(bait.folder, exist_ok=True)
    subprocess.run(["/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=site", "-days", "30", "-keyout", bait.file("key.pem"), "-out", bait.file("site.pem")], check=True,
                   stderr=subprocess.DEVNULL)
    return [bait.own(__file__)]


def serve(bait):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bait.file("site.pem"), bait.file("key.pem"))

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            try:
                with context.wrap_socket(self.request, server_side=True) as secured:
                    with secured.makefile("rb") as reader, secured.makefile("wb", buffering=0) as writer:
                        text_nonce.handle(reader, writer, bait.vulnerable)
            except (ssl.SSLError, OSError):
                pass  # whoever speaks no TLS

    with own_server.Server((bait.host, bait.port()), Handler) as server:
        server.serve_forever()


class Secured(Client):
    def __init__(self, address):
        super().__init__(address)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)


def visit(address, random):
    text_nonce.hold(Secured(address), random)
