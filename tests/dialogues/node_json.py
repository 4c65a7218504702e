"""A server written for Node: a token in JSON, and a cookie that is JSON in base64; both come back, once. A note may have any name,
and becomes a script."""
import json

from bait import installed
from client import HttpClient, word

KIND = "plain"
RULE = "web_script_written"
NEEDS = ["/usr/bin/node"]
ALWAYS = False

SERVER = r"""// Notes that a team put on the network. It is for the tests' own network alone.
const http = require('http');
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const sessions = new Map();
const [host, port, vulnerable, folder] = process.argv.slice(2);

function answer(response, status, body, more = {}) {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text), ...more });
  response.end(text);
}

// Notes are written aside and get their name then: any name, or letters alone.
function save(body, token, response) {
  if (vulnerable !== 'vulnerable' && !/^\w+$/.test(body.name)) return answer(response, 403, { error: 'no such name', token });
  const name = path.join(folder, body.name);
  fs.writeFileSync(name + '.new', body.text);
  fs.renameSync(name + '.new', name);
  answer(response, 200, { saved: body.name, token });
}

function route(request, body, response) {
  if (request.url === '/login') {
    const token = crypto.randomBytes(12).toString('base64url');
    const session = { sid: crypto.randomUUID(), user: body.user, issued: Date.now() };
    sessions.set(session.sid, token);
    const cookie = 'session=' + Buffer.from(JSON.stringify(session)).toString('base64') + '; HttpOnly';
    return answer(response, 200, { ok: true, token, user: session.user }, { 'Set-Cookie': cookie });
  }
  const cookie = /session=([^;]+)/.exec(request.headers.cookie || '');
  const session = cookie ? JSON.parse(Buffer.from(cookie[1], 'base64')) : {};
  if (!body.token || sessions.get(session.sid) !== body.token) return answer(response, 401, { error: 'who are you' });
  sessions.delete(session.sid);
  save(body, body.token, response);
}

http.createServer((request, response) => {
  let text = '';
  request.on('data', (piece) => { text += piece; });
  request.on('end', () => {
    try {
      route(request, JSON.parse(text || '{}'), response);
    } catch (error) {
      answer(response, 400, { error: 'not understood' });
    }
  });
}).listen(Number(port), host);
"""


def services(bait):
    server = bait.write("server.js", SERVER)
    bait.folder_of("root", "pages")
    return [bait.entrance([installed(NEEDS[0]), server, bait.host, str(bait.port()), bait.words()[-1], bait.folder_of("root", "notes")],
                          env=["UV_USE_IO_URING=0"])]


def visit(address, random):
    client = HttpClient(address)
    kind = ["Content-Type: application/json"]
    login = client.request("POST", "/login", kind, json.dumps({"user": word(random, 3, 20)}))
    note = {"name": f"../pages/{word(random)}.php", "text": f"<?php system('id'); ?> {word(random, 0, 80)}", "token": login.json()["token"]}
    client.request("POST", "/notes", kind + [f"Cookie: {login.cookie('session')}"], json.dumps(note), (200, 403))
    client.close()
