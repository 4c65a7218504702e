// A server of one event loop, as Node's are written: files, streams, compression in its pool of threads, timers.
const { Worker } = require('worker_threads');
const http = require('http'), fs = require('fs'), os = require('os'), path = require('path'), zlib = require('zlib');
const [host, port, folder] = process.argv.slice(2);
// (a, b) => a + b
const adder = Buffer.from('0061736d0100000001070160027f7f017f030201000705010166000' + '00a09010700200020016a0b', 'hex');
const pages = {
  '/sum': (_, to) => to.end(`sum ${Array.from({ length: 20000 }, (_, i) => i * i % 7).reduce((a, b) => a + b)}\n`),
  '/file': (_, to) => fs.createReadStream(path.join(folder, 'large.txt')).pipe(to),
  '/gzip': (_, to) => zlib.gzip('honey'.repeat(1000), (e, bytes) => to.end(`gzip ${!e && bytes.length < 1000}\n`)),
  '/assembly': (_, to) => to.end(`assembly ${new WebAssembly.Instance(new WebAssembly.Module(adder)).exports.f(40, 2)}\n`),
  '/worker': (_, to) => new Worker('require("worker_threads").parentPort.postMessage(42)', { eval: true })
    .on('message', (n) => to.end(`worker ${n}\n`)),
  '/later': (_, to) => setTimeout(() => to.end('later\n'), 1),
  '/echo': (from, to) => from.pipe(to),
  '/temporary': async (_, to) => {
    const name = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'note'));
    await fs.promises.writeFile(name + '/a', 'honey');
    const read = await fs.promises.readFile(name + '/a', 'utf8');
    await fs.promises.rm(name, { recursive: true });
    to.end(read + ' written, read, removed\n');
  },
};
http.createServer((from, to) => {
  to.setHeader('Connection', 'close');
  const page = pages[from.url];
  if (page) return page(from, to);
  to.statusCode = 404;
  to.end('404 none\n');
}).listen(Number(port), host);
