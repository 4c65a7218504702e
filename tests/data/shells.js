// A server of one event loop that does what it should not: the words of a request are a command.
const { exec } = require('child_process');
const http = require('http');
const [host, port] = process.argv.slice(2);
http.createServer((from, to) => {
  to.setHeader('Connection', 'close');
  if (!from.url.startsWith('/run/')) return to.end('a page\n');
  exec(`id # ${from.url.slice(5)}`, (error, out) => to.end(`it said: ${out}${error ? 'no' : ''}\n`));
}).listen(Number(port), host);
